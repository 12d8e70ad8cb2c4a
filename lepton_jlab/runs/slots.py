"""The slots a host has for runs: each is leased from Dask by a small task that holds it.

The task takes the resource ``slot``: so Dask chooses the workers by their load, its own tasks and
runs do not crowd each other, and adaptive scaling sees the demand. Runs then go to a leased slot by
a direct call, which takes 0.5 ms where a task takes 10.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from lepton_jlab.cluster.backend import SLOT, Backend
from lepton_jlab.config import settings
from lepton_jlab.runs.journal import Entry
from lepton_jlab.runs.worker import occupy

_RENEWAL = 0.005  # seconds per awaited slot until it is asked for anew, which takes about a fifth

log = logging.getLogger("lepton.runs")


@dataclass(slots=True, eq=False)
class Lease:
    """A slot: `worker` is None until Dask has found one; `entries` are the runs it was given.

    `place` is where it was asked for; None: anywhere. `environment` is that of its worker.
    """

    name: str
    worker: str | None = None
    entries: list[Entry] = field(default_factory=list)
    idle: asyncio.TimerHandle | None = None
    hold: asyncio.Task[None] | None = None
    place: str | None = None
    environment: dict[str, str] | None = None


class Slots:
    """Leases slots while they are wanted, and gives them back when they rest.

    Parameters
    ----------
    backend : Backend
        The Dask cluster.
    freed : callable
        Called when a slot may take a run.
    lost : callable
        Called with a lease that had runs and the worker that died under it.
    reserved : set of str
        Workers whose next free slot is not for runs: a notebook's kernel waits for it.
    """

    def __init__(
        self,
        backend: Backend,
        freed: Callable[[], None],
        lost: Callable[[Lease, str], None],
        reserved: Set[str] = frozenset(),
    ) -> None:
        self._backend = backend
        self._freed = freed
        self._lost = lost
        self._reserved = reserved
        self._leases: dict[str, Lease] = {}
        # Of a thousand slots most are busy: these few are what is looked through at each event.
        self._awaited: dict[str, Lease] = {}
        self._free: dict[str, Lease] = {}
        self._wanted: dict[str | None, int] = {}
        self._shut: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: set[str] = set()
        self._renewal: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[Lease]:
        return iter(list(self._leases.values()))

    def free(self, place: str | None = None) -> list[Lease]:
        """Return the slots that can take a run now, first those of workers with the most."""
        kept = self._reserved | self._leaving | self._shut
        idle = self._free.values()
        free = [lease for lease in idle if _at(lease, place) and lease.worker not in kept]
        room = Counter(lease.worker for lease in free)
        return sorted(free, key=lambda lease: -room[lease.worker])

    def on(self, worker: str) -> list[Lease]:
        """Return the slots that a worker has given."""
        return [lease for lease in self if lease.worker == worker]

    def shut(self, worker: str) -> None:
        """Bring no more runs to a worker, and give its slots back as they become free."""
        self._shut.add(worker)
        for lease in self.on(worker):
            self.rest(lease)
        self.renew()

    def leave(self, workers: Collection[str]) -> None:
        """Give no run to slots of `workers`, which are about to be closed: Dask moves them."""
        self._leaving |= set(workers)

    def want(
        self, runs: int, limit: int, place: str | None = None, workers: Sequence[str] | None = None
    ) -> None:
        """Lease slots for so many waiting runs, up to `limit` slots in all, on any of `workers`."""
        self._wanted[place] = runs
        coming = len(self._awaited) + len(self._free)
        if place is not None:
            idle = (*self._awaited.values(), *self._free.values())
            coming = sum(lease.place == place for lease in idle)
        if runs <= coming:
            return
        leases = len(self._leases)
        if place is not None:
            leases = sum(lease.place == place for lease in self._leases.values())
        for _ in range(min(runs - coming, limit - leases)):
            lease = Lease(secrets.token_hex(8), place=place)
            self._leases[lease.name] = self._awaited[lease.name] = lease
            lease.hold = self._spawn(self._hold(lease, workers))

    def give(self, leases: Sequence[Lease], entries: Sequence[Entry]) -> None:
        """Give slots to runs: one slot to several, or several slots to one."""
        for lease in leases:
            lease.entries = list(entries)
            self._free.pop(lease.name, None)
        for entry in entries:
            entry.leases = list(leases)

    def take(self, entry: Entry) -> list[Lease]:
        """Take a run off its slots, and return these."""
        leases, entry.leases = entry.leases, []
        for lease in leases:
            if entry in lease.entries:
                lease.entries.remove(entry)
            self.rest(lease)
        return leases

    def opened(self, name: str, worker: str, environment: dict[str, str] | None = None) -> None:
        """Note that Dask has found `worker` for a lease."""
        lease = self._leases.get(name)
        if lease is None:  # another was asked for in its place
            self._spawn(self._give_back(worker, name))
            return
        lease.worker, lease.environment = worker, environment
        self._awaited.pop(name, None)
        self.rest(lease)
        self._freed()

    def renew(self) -> None:
        """Ask anew for the slots that are still awaited, since there is a new worker.

        Dask has sent those tasks to busy workers or, while no worker had a slot, nowhere; and it
        does not move them when a worker gets one. Once for all workers that come at the same time:
        when 1,000 came and each had 1,000 slots asked for anew, nothing else was done any more.
        """
        if self._awaited and self._renewal is None:
            loop = asyncio.get_running_loop()
            delay = _RENEWAL * len(self._awaited)
            self._renewal = loop.call_later(delay, self._ask_anew)
        self._freed()

    def _ask_anew(self) -> None:
        self._renewal = None
        for lease in list(self._awaited.values()):
            if lease.hold is not None:
                self._forget(lease)
                lease.hold.cancel()
        self._freed()

    def rest(self, lease: Lease) -> None:
        """Give a slot without runs back to Dask after a while."""
        if lease.idle is not None:
            lease.idle.cancel()
            lease.idle = None
        if lease.worker is not None and not lease.entries and lease.name in self._leases:
            self._free[lease.name] = lease
            wait = 0.0 if lease.worker in self._shut else settings().linger
            lease.idle = asyncio.get_running_loop().call_later(wait, self._release, lease)

    def lose(self, worker: str) -> None:
        """Settle the slots on a worker that is gone; Dask holds them again on others."""
        self._leaving.discard(worker)
        for lease in self:
            if lease.worker == worker:
                lease.worker = None
                self._free.pop(lease.name, None)
                self._awaited[lease.name] = lease
                self._lost(lease, worker)

    def close(self) -> None:
        """Forget all slots; the cluster ends, or its worker plugin is taken away."""
        if self._renewal is not None:
            self._renewal.cancel()
        for task in self._tasks:
            task.cancel()
        for leases in (self._leases, self._awaited, self._free):
            leases.clear()

    def _forget(self, lease: Lease) -> bool:
        """Strike a lease off; tell whether it was there."""
        self._awaited.pop(lease.name, None)
        self._free.pop(lease.name, None)
        return self._leases.pop(lease.name, None) is not None

    async def _hold(self, lease: Lease, workers: Sequence[str] | None) -> None:
        """Have Dask hold a slot somewhere, until it is released or lost."""
        key = f"lepton-slot-{lease.name}"
        submit = self._backend.client.submit
        where = {"resources": {SLOT: 1}, "workers": workers}
        future = submit(occupy, lease.name, key=key, pure=False, **where)
        try:
            await future
        except Exception as error:  # noqa: BLE001 (KilledWorker, cancellation, a closing client)
            log.warning("a slot was lost: %r", error)
        finally:
            # Else Dask keeps the task of a lease that was given up, counts it as demand, and does
            # it again whenever the worker that did it goes.
            future.release()
        if self._forget(lease) and lease.worker is not None:
            self._lost(lease, lease.worker)
        self._freed()

    def _release(self, lease: Lease) -> None:
        # A run that needs more slots than are there yet keeps those that are.
        kept = lease.worker not in self._reserved | self._shut
        if self._wanted.get(lease.place) and kept:
            self.rest(lease)
        elif lease.worker is not None and not lease.entries:
            worker, lease.worker = lease.worker, None  # takes no run from here on
            self._free.pop(lease.name, None)
            self._spawn(self._give_back(worker, lease.name))

    async def _give_back(self, worker: str, name: str) -> None:
        try:
            await self._backend.call(worker, "lepton_release", lease=name)
        except (OSError, KeyError):
            self.lose(worker)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _at(lease: Lease, place: str | None) -> bool:
    return place is None or lease.place == place
