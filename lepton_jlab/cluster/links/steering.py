"""Corrects Dask's idea of what it costs to move data between places.

Dask divides bytes by one bandwidth, the mean of all transfers, and knows no round trip: behind a
slow link its work stealing sends a task of 50 ms after 4 MB that take 3 s. Here each link has its
own figures. What is replaced is one method of one scheduler object, `get_comm_cost`, by which both
the choice of a worker and the choice of a thief compare.
"""

from __future__ import annotations

import logging
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin

from lepton_jlab.cluster.links.model import Link

NAME = "lepton-links"
HANDLER = "lepton_steer"
_TESTED = ((2026, 7), (2026, 7))  # versions of distributed whose schedulers we have measured
_METHOD = "get_comm_cost"
_NOT_YET = 3600.0  # seconds, for what is not to be sent over a link before more is known

log = logging.getLogger("lepton.links")


class Steering(SchedulerPlugin):
    """Installed on a scheduler; does nothing until it is told of links."""

    name = NAME

    async def start(self, scheduler: Any) -> None:
        """Listen for links."""
        self._scheduler = scheduler
        self._places: dict[str, str] = {}
        self._workers: dict[str, list[Any]] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._refusal = refusal()
        scheduler.handlers[HANDLER] = self.steer

    async def steer(
        self, places: dict[str, str], links: list[tuple[str, str, float, float]]
    ) -> str | None:
        """Compare by these links from now on; without any, as Dask does.

        Parameters
        ----------
        places
            The place of each worker, by its address.
        links
            From, to, round trip (s) and goodput (bytes/s).

        Returns
        -------
        str or None
            Why this scheduler is left as it is.
        """
        if self._refusal is not None:
            return self._refusal
        known = self._scheduler.workers
        self._places = {address: place for address, place in places.items() if address in known}
        self._workers = {}
        for address, place in self._places.items():
            self._workers.setdefault(place, []).append(known[address])
        self._links = {(a, b): Link(rtt, goodput, 0.0) for a, b, rtt, goodput in links}
        if self._links:
            setattr(self._scheduler, _METHOD, self._comm_cost)
        else:
            vars(self._scheduler).pop(_METHOD, None)
        return None

    def _comm_cost(self, task: Any, worker: Any) -> float:
        """Return the seconds until what `task` depends on could be on `worker`."""
        here = self._places.get(worker.address)
        near, far = 0, dict[Link, int]()
        for dependency in task.dependencies:
            if worker in dependency.who_has:
                continue
            size = dependency.get_nbytes()
            link = self._best(dependency, here)
            if link is None:
                near += size
            else:
                far[link] = far.get(link, 0) + size
        cost = near / self._scheduler.bandwidth
        if far and here is not None:
            # Those under way to this place already go first, while the worker computes: only what
            # takes longer than its work comes on top of that, to which the caller adds this.
            waiting = sum(w._network_occ for w in self._workers[here])
            transfer = sum(link.seconds(size + waiting) for link, size in far.items())
            cost += max(0.0, transfer - worker.occupancy / worker.nthreads)
            if self._guessed(task, transfer):
                cost += _NOT_YET
        return float(cost)

    @staticmethod
    def _guessed(task: Any, transfer: float) -> bool:
        """Tell whether nothing that was seen of such tasks says that they take so long.

        Dask takes 0.5 s for the first of a kind, and all of 24 tasks of 50 ms seem worth a
        transfer of 3 s, until the first of them has ended.
        """
        prefix = task.prefix
        return bool(prefix.duration_average < 0 and 2 * prefix.max_exec_time < transfer)

    def _best(self, dependency: Any, here: str | None) -> Link | None:
        """Return the link that a value comes over; None where it is near, or nothing is known."""
        best: Link | None = None
        size = dependency.get_nbytes()
        for holder in dependency.who_has:
            there = self._places.get(holder.address)
            link = None if there is None or here is None else self._links.get((there, here))
            if link is None:
                return None
            if best is None or link.seconds(size) < best.seconds(size):
                best = link
        return best


def refusal() -> str | None:
    """Say why the scheduler of this process is not to be changed, or None; warn once."""
    import distributed
    from distributed.scheduler import Scheduler

    lowest, highest = _TESTED
    found = tuple(int(part) for part in distributed.__version__.split(".")[:2])
    if lowest <= found <= highest and hasattr(Scheduler, _METHOD):
        return None
    reason = (
        f"Dask's cost of transfers stays as it is: the correction for slow links was tested with "
        f"distributed {_written(lowest)} to {_written(highest)}, and this is "
        f"{distributed.__version__}."
    )
    log.warning(reason)
    return reason


def _written(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
