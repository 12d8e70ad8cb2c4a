"""Keeps the host's table of links: asks workers to measure, and reads what they have sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lepton_jlab.cluster.links.model import HOST, Link
from lepton_jlab.cluster.links.table import LinkTable
from lepton_jlab.config import settings

if TYPE_CHECKING:
    from lepton_jlab.cluster.host import Host

log = logging.getLogger("lepton.links")

DEFAULT = "main"  # the place of workers that nobody gave one
_LOOK = 1.0  # seconds between two looks at places and transfers
_FRESH = 600.0  # seconds after which a link that carried nothing is measured anew


class Links:
    """The links of one cluster. As long as all workers are at one place, it measures nothing."""

    def __init__(self, host: Host) -> None:
        self.table = LinkTable()
        self.places: dict[str, str] = {}  # by worker address
        self.measured = asyncio.Event()
        self._host = host
        self._sent: dict[tuple[str, str], tuple[int, float]] = {}
        self._steered: object = None
        self._state = "off: one place"
        self._task: asyncio.Task[None] | None = None
        self._on = False
        host.serve("links", self.document)

    async def start(self) -> None:
        """Ask the workers where they are, and begin to look."""
        if not settings().links:
            self._state = "off: Settings.links"
            return
        from lepton_jlab.cluster.links.worker import LinkWorker

        try:
            plugin = LinkWorker(self._host.plan.place or DEFAULT)
            await self._host.backend.client.register_plugin(plugin)
        except ImportError:  # the workers have no Lepton: runs say so
            return
        self._on = True
        self._task = asyncio.create_task(self._keep_looking())

    def active(self) -> bool:
        """Links alone keep no host alive."""
        return False

    def demand(self) -> int:
        """Want no worker."""
        return 0

    def leave(self, workers: Collection[str]) -> None:
        """Take no notice of workers that go."""

    def held(self) -> set[str]:
        """Hold no worker."""
        return set()

    def occupants(self) -> dict[str, list[str]]:
        """Nothing runs here."""
        return {}

    def labels(self) -> dict[str, list[str]]:
        """Return the addresses of the workers at each place."""
        found: dict[str, list[str]] = {}
        for address, label in self.places.items():
            found.setdefault(label, []).append(address)
        return dict(sorted(found.items()))

    def between(self, here: str, there: str) -> Link | None:
        """Return the link between two places; None within one, or where it was not measured."""
        return None if here == there else self.table.get(here, there)

    async def document(self) -> dict[str, Any]:
        """Describe places and links as ``links`` of `Cluster` prints them."""
        places = [{"label": k, "workers": len(v)} for k, v in self.labels().items()]
        return {"places": places, "links": self.table.document(), "steering": self._state}

    async def close(self) -> None:
        """Leave scheduler and workers as they were."""
        if self._task is not None:
            self._task.cancel()
        if self._on:
            from lepton_jlab.cluster.links.worker import PLUGIN

            with suppress(OSError, TimeoutError, ValueError):
                client = self._host.backend.client
                if self._steered is not None:
                    await asyncio.wait_for(self._steer({}, []), 5)
                    await client.unregister_scheduler_plugin(PLUGIN)
                await asyncio.wait_for(client.unregister_worker_plugin(PLUGIN), 5)

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self._look()
            except OSError as error:  # a worker that has just gone
                log.info("links were not looked at: %r", error)
            except Exception:
                log.exception("links were not looked at")
            await asyncio.sleep(_LOOK)

    async def _look(self) -> None:
        from lepton_jlab.cluster.links.worker import LINK_METRICS

        told = {
            worker.address: worker.metrics[LINK_METRICS]
            for worker in await self._host.backend.workers()
            if LINK_METRICS in worker.metrics
        }
        self.places = {address: metrics["place"] for address, metrics in told.items()}
        labels = self.labels()
        if len(labels) < 2:
            return
        for address, metrics in told.items():
            for peer, (size, busy, _) in metrics["sent"].items():
                self._note_sent(address, peer, size, busy)
        for there, workers in labels.items():
            if self.table.stale(HOST, there, _FRESH):
                await self._probe_from_host(there, workers[0])
            for here, others in labels.items():
                if here != there and self.table.stale(here, there, _FRESH):
                    await self._probe(here, there, others[0], workers[0])
        self.measured.set()
        await self._tell_scheduler()

    async def _probe_from_host(self, place: str, worker: str) -> None:
        from lepton_jlab.cluster.links.probe import probe

        call = self._host.backend.call
        rtt, goodput = await probe(lambda data: call(worker, "lepton_echo", data=data))
        self.table.probed(HOST, place, rtt, goodput)

    async def _probe(self, here: str, there: str, worker: str, peer: str) -> None:
        rtt, goodput = await self._host.backend.call(worker, "lepton_probe", peer=peer)
        self.table.probed(here, there, rtt, goodput)

    def _note_sent(self, worker: str, peer: str, size: int, busy: float) -> None:
        """Tell the table what a worker has sent since the last look."""
        before = self._sent.get((worker, peer), (0, 0.0))
        self._sent[worker, peer] = size, busy
        here, there = self.places.get(worker), self.places.get(peer)
        if size > before[0] and here is not None and there is not None and here != there:
            self.table.moved(here, there, size - int(before[0]), busy - before[1])

    async def _tell_scheduler(self) -> None:
        """Hand the scheduler what has changed; to a tenth, for goodput never stands still."""
        links = [
            (link["from"], link["to"], link["rtt"], link["goodput"])
            for link in self.table.document()
            if link["from"] != HOST
        ]
        rounded = [(a, b, f"{rtt:.1g}", f"{goodput:.2g}") for a, b, rtt, goodput in links]
        if (state := (self.places, rounded)) == self._steered:
            return
        client = self._host.backend.client
        if self._steered is None:
            from lepton_jlab.cluster.links.steering import Steering

            await client.register_plugin(Steering())
        self._steered = state
        self._state = await self._steer(self.places, links) or "on"

    async def _steer(self, places: dict[str, str], links: list[Any]) -> str | None:
        refused: str | None = await self._host.backend.client.scheduler.lepton_steer(
            places=places, links=links
        )
        return refused
