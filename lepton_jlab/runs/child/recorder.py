"""What one run measures, and how its data come: sent to its worker; TensorBoard events beside."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_jlab.runs.child.channel import Channel
from lepton_jlab.runs.child.event_file import EventFile

if TYPE_CHECKING:
    from lepton_jlab.data.stream.report import StreamReport

_INTERVAL = 0.1  # seconds between two messages of progress


class Recorder:
    """Metrics and progress of one run; TensorBoard events where it has a folder."""

    def __init__(self, channel: Channel, folder: Path | None) -> None:
        self.epochs = 0  # trained so far, over all calls of `fit`
        self._channel = channel
        self._folder = folder / "tensorboard" if folder is not None else None
        self._events: EventFile | None = None
        self._with_events = folder is not None
        self._calls = 0
        self._next = 0.0
        self._unsent: dict[str, object] | None = None

    def log(self, values: Mapping[str, float], step: int | None) -> None:
        """Keep `values`, at `step` or at the number of this call."""
        self._calls += 1
        self.metrics(values, self._calls if step is None else step)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Keep `values` at `step`."""
        self._channel.send({"type": "metrics", "step": step, "values": values, "t": time.time()})
        if self._with_events and self._folder is not None:
            try:
                self._events = self._events or EventFile(self._folder)
                self._events.scalars(values, step)
            except (ImportError, OSError):  # no TensorBoard, or a full disk: a run goes on
                self._with_events = False

    def passed(self, epochs: int) -> None:
        """Count epochs that a checkpoint has spared."""
        self.epochs += epochs

    def stream(self, report: StreamReport) -> None:
        """Keep how a stream of data goes."""
        self._channel.send({"type": "stream", "report": report.to_dict()})

    def due(self) -> bool:
        """Whether a message of progress may be sent: at most ten a second are."""
        return time.monotonic() >= self._next

    def progress(
        self,
        epoch: int,
        epochs: int | None,
        batch: int,
        batches: int | None,
        values: Mapping[str, float],
    ) -> None:
        """Say how far training has come; what comes before it is `due` is kept back."""
        self._unsent = {
            "type": "progress",
            "epoch": epoch,
            "epochs": epochs,
            "batch": batch,
            "batches": batches,
            "values": values,
        }
        if self.due():
            self._send_progress()

    def close(self) -> None:
        """Send what was kept back, and end the event file."""
        self._send_progress()
        if self._events is not None:
            self._events.close()
            self._events = None

    def _send_progress(self) -> None:
        if self._unsent is not None:
            self._next = time.monotonic() + _INTERVAL
            self._channel.send(self._unsent)
            self._unsent = None
