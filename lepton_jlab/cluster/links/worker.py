"""What a Dask worker does for links: says where it is and what it has sent, and measures."""

from __future__ import annotations

import asyncio
import itertools
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed.diagnostics.plugin import WorkerPlugin

from lepton_jlab.cluster.links.probe import probe
from lepton_jlab.errors import LeptonError

PLUGIN = "lepton-links"
LINK_METRICS = "lepton_links"  # what workers add to their heartbeats
VARIABLE = "LEPTON_PLACE"
_RESOURCE = "place-"
_LARGE = 64 * 1024  # bytes; smaller transfers tell nothing of a link's bandwidth


class LinkWorker(WorkerPlugin):
    """Installed on every worker of a cluster.

    Parameters
    ----------
    place
        The place of workers that do not say their own.
    """

    name = PLUGIN

    def __init__(self, place: str) -> None:
        self._default = place

    def setup(self, worker: Any) -> None:
        """Add the handlers, and to the heartbeat what is to be told."""
        self.worker = worker
        self._place = place_of(worker) or self._default
        self._sent: dict[str, tuple[int, float, float]] = {}
        self._seen = 0.0
        worker.handlers["lepton_echo"] = self._echo
        worker.handlers["lepton_probe"] = self._probe
        worker.handlers["lepton_stored"] = self._stored
        worker.metrics[LINK_METRICS] = self._metrics

    def teardown(self, worker: Any) -> None:
        """Take away what was added."""
        for handler in ("lepton_echo", "lepton_probe", "lepton_stored"):
            worker.handlers.pop(handler, None)
        worker.metrics.pop(LINK_METRICS, None)

    async def _echo(self, data: bytes) -> int:
        return len(data)

    async def _probe(self, peer: str) -> tuple[float, float]:
        """Measure the link from here to another worker: s, bytes/s."""
        there = self.worker.rpc(peer)
        return await probe(lambda data: there.lepton_echo(data=data))

    async def _stored(self, path: str) -> int | None:
        """Return the bytes of a dataset that this machine can read; None if it cannot."""
        return await asyncio.to_thread(_bytes_of, path)

    def _metrics(self, _worker: Any) -> dict[str, Any]:
        """Return the place, and what each peer has been sent so far: bytes, busy s, until when."""
        log = self.worker.transfer_outgoing_log
        new = list(itertools.takewhile(lambda one: one["stop"] > self._seen, reversed(log)))
        for transfer in reversed(new):
            if transfer["compressed"] >= _LARGE:
                self._note(transfer)
        self._seen = new[0]["stop"] if new else self._seen
        return {"place": self._place, "sent": self._sent}

    def _note(self, transfer: dict[str, Any]) -> None:
        """Add a transfer; what is under way at the same time shares the link and its seconds."""
        size, busy, until = self._sent.get(transfer["who"], (0, 0.0, 0.0))
        busy += max(0.0, transfer["stop"] - max(transfer["start"], until))
        until = max(until, transfer["stop"])
        self._sent[transfer["who"]] = (size + transfer["compressed"], busy, until)


def place_of(worker: Any) -> str | None:
    """Return the label that a worker was given, or None.

    In this order: the environment variable ``LEPTON_PLACE``, a Dask resource ``place-LABEL``, a
    worker's name ``LABEL`` or ``LABEL-3`` of the two labels that Lepton itself knows.
    """
    if label := os.environ.get(VARIABLE):
        return label
    for resource in worker.state.total_resources:
        if resource.startswith(_RESOURCE):
            return str(resource.removeprefix(_RESOURCE))
    name = str(worker.name).partition("-")[0]
    return name if name in ("edge", "cloud") else None


def _bytes_of(address: str) -> int | None:
    if "://" in address:
        from lepton_jlab.data import open_dataset

        with suppress(LeptonError):
            return open_dataset(address).info()["stored_bytes"] or 0
        return None
    path = Path(address)
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.is_file() else None
