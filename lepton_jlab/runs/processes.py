"""The processes of runs, as their host has workers start and stop them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from lepton_jlab.cluster.devices import names_of
from lepton_jlab.cluster.host import Host
from lepton_jlab.runs.attempt import failed
from lepton_jlab.runs.crew import owner
from lepton_jlab.runs.journal import Entry
from lepton_jlab.runs.places import Places
from lepton_jlab.runs.sending import send
from lepton_jlab.runs.workers import Workers

log = logging.getLogger("lepton.runs")


class Processes:
    """Starts what runs on workers; whatever else is asked of a process follows its start.

    So a stop always finds its run: from the start on, the worker itself knows when to heed it.

    Parameters
    ----------
    entries : mapping of str to Entry
        The runs that have not ended, by id.
    """

    def __init__(
        self, host: Host, workers: Workers, places: Places, entries: Mapping[str, Entry]
    ) -> None:
        self._host = host
        self._workers = workers
        self._places = places
        self._entries = entries
        self._starting: dict[str, asyncio.Task[None]] = {}

    def start(self, entries: list[Entry]) -> None:
        """Start runs on the slots they have: several on one, or one on one or several."""
        first = entries[0]
        addresses = [lease.worker or "" for lease in first.leases]
        if first.crew is None:
            specs = [{**entry.spec, "attempt": entry.attempt} for entry in entries]
            self._start_at(addresses[0], specs)
            return
        facts = [self._workers.facts[address] for address in addresses]
        ranks = first.crew.begin(first, [(one, self._host.devices(one)[0]) for one in facts])
        for worker, spec in ranks:
            self._start_at(worker, [spec])

    def stop(self, entry: Entry, reason: dict[str, str], force: bool = False) -> None:
        """End the processes of a run."""
        if entry.crew is not None:
            there = entry.crew.places()
        else:
            there = [(lease.worker, entry.spec["id"]) for lease in entry.leases[:1] if lease.worker]
        for worker, name in there:
            self.call(worker, "stop_run", name, reason=reason, force=force)

    def call(self, worker: str, handler: str, run: str, **arguments: Any) -> None:
        """Call ``lepton_<handler>`` for a process, as soon as its worker knows it."""

        async def call() -> None:
            if (start := self._starting.get(run)) is not None:
                await asyncio.wait([start])
            await self._workers.call(worker, handler, run=run, **arguments)

        self._workers.spawn(call())

    def _start_at(self, worker: str, specs: list[dict[str, Any]]) -> None:
        start = self._workers.spawn(self._start(worker, specs))
        names = [spec["id"] for spec in specs]
        self._starting |= dict.fromkeys(names, start)

        def done(_: object) -> None:
            for name in names:
                if self._starting.get(name) is start:
                    del self._starting[name]

        start.add_done_callback(done)

    async def _start(self, worker: str, specs: list[dict[str, Any]]) -> None:
        call = self._host.backend.call
        try:
            if specs[0].get("gpus", 1) > 1:
                specs[0]["devices"] = await self._devices(self._entries[specs[0]["id"]])
            answer = await call(worker, "lepton_start", specs=specs)
            if missing := answer["missing"]:
                began = time.monotonic()
                for digest in missing:
                    await send(self._host.backend, worker, digest, self._places.slow(worker))
                first = self._entries.get(owner(specs[0]["id"]))
                if first is not None and first.placed is not None:
                    first.placed.sent = time.monotonic() - began
                await call(worker, "lepton_start", specs=specs)
            self._places.sent(worker, specs[0]["payloads"])
        except (OSError, KeyError) as error:
            log.warning("%s could not be started on %s: %r", specs[0]["id"], worker, error)
            self._workers.lose(worker)
        except Exception as error:  # whatever the worker made of it, no run stays for ever
            log.exception("%s could not be started on %s", specs[0]["id"], worker)
            end = failed("exception", f"the run could not be started on its worker: {error!r}")
            self._workers.hear(worker, [{**end, "run": spec["id"]} for spec in specs])

    async def _devices(self, entry: Entry) -> list[str]:
        """Wait until what ran on a run's devices before has left them; return their names."""
        addresses = [lease.worker or "" for lease in entry.leases]
        for address in addresses[1:]:  # its own worker waits by itself
            await self._host.backend.call(address, "lepton_settle")
        known = [self._workers.facts[address] for address in addresses]
        return [name for facts in known for name in names_of(facts, self._host.engine)]
