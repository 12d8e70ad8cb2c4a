"""Runs that need several slots at once: when the head of the queue has enough of them to start.

The queue is served first come, first served. So the run at its head keeps what is free until it has
all it needs, runs behind it wait, and no two runs ever hold a part of what both need.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lepton_jlab.cluster.backend import WorkerFacts
from lepton_jlab.cluster.plan import parse_seconds
from lepton_jlab.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from lepton_jlab.runs.journal import Entry
    from lepton_jlab.runs.slots import Lease

_APART = {"spread": "workers"}
_PATIENCE = 10.0  # seconds for a worker that has died to be replaced


def gang_options(replicas: int, checkpoint: str | float | None, keep: str | None) -> dict[str, Any]:
    """Return what a specification says of a run on several workers, or with checkpoints.

    ``checkpoint`` there is in seconds, 0 for often enough, None for none.

    Raises
    ------
    UsageError
        `keep` is given too, or `checkpoint` is no time.
    """
    if replicas == 1 and checkpoint is None:
        return {}
    if keep is not None:
        option = "--replicas" if replicas > 1 else "--checkpoint"
        raise UsageError(f"{option} needs processes of its own: leave --keep out.")
    auto = checkpoint in (None, "auto")
    seconds = 0.0 if auto else parse_seconds(checkpoint or 0, "--checkpoint")
    options = {"replicas": replicas, "checkpoint": seconds}
    return options if replicas == 1 else {**options, "slots": replicas, "gang": _APART}


def size(spec: Mapping[str, Any]) -> int:
    """Return how many slots a run needs.

    ``spec["slots"]`` says it, 1 if nothing does. ``spec["gang"]["spread"]`` says where they are:
    ``"workers"`` (each on another worker), or ``"host"`` (all on one machine).
    """
    return int(spec.get("slots") or 1)


class Gangs:
    """Chooses slots for the run at the head of a queue."""

    def __init__(self) -> None:
        self._short: tuple[Entry, float] | None = None  # who waits for too few workers, since when
        self._seen: dict[str, tuple[WorkerFacts, float]] = {}

    def saw(self, workers: Iterable[WorkerFacts]) -> None:
        """Note which workers there are now."""
        self._seen |= {worker.name: (worker, time.monotonic()) for worker in workers}

    def refusal(self, spec: Mapping[str, Any], adapt: int, cluster: str) -> ClusterError | None:
        """Return why a run can never have its slots; one that has just died is replaced, mostly."""
        since = time.monotonic() - _PATIENCE
        most = max(capacity(spec, (w for w, seen in self._seen.values() if seen > since)), adapt, 1)
        return too_few(spec, most, cluster) if size(spec) > most else None

    def choose(
        self, head: Entry, free: Sequence[Lease], workers: Mapping[str, WorkerFacts]
    ) -> list[Lease]:
        """Return the slots on which `head` starts, by worker; none: it waits."""
        slots = size(head.spec)
        if slots == 1:
            return [free[0]]
        for group in self._groups(head, free, workers):
            if len(group) >= slots:
                return sorted(group, key=lambda lease: _place(lease, workers))[:slots]
        return []

    def demand(self, queue: Sequence[Entry], there: int, adapt: int = 0) -> tuple[int, int]:
        """Return how many slots the queue wants, and how many there may be; `there` are now."""
        limit = max(1, there)
        if not queue:
            return 0, limit
        slots = size(queue[0].spec)
        if slots == 1:
            if len(queue) >= limit:  # with 100,000 that wait, not each of them is asked
                return len(queue), limit
            return sum(size(entry.spec) for entry in queue), limit
        limit = max(limit, min(slots, adapt))
        # Those of a machine, or on so many workers, can only be told once they are there.
        return limit, limit

    def short(self, head: Entry, workers: Mapping[str, WorkerFacts]) -> int | None:
        """Return how many slots there are for `head`, if for long they have been too few."""
        most = capacity(head.spec, workers.values())
        if most >= size(head.spec):
            self._short = None
            return None
        if self._short is None or self._short[0] is not head:
            self._short = (head, time.monotonic())
        return most if time.monotonic() - self._short[1] > _PATIENCE else None

    def _groups(
        self, head: Entry, free: Sequence[Lease], workers: Mapping[str, WorkerFacts]
    ) -> list[list[Lease]]:
        single = list({lease.worker: lease for lease in free}.values())  # one of each worker
        if _spread(head.spec) == "workers":
            return [single]
        machines: dict[str, list[Lease]] = {}
        for lease in single:
            if (facts := workers.get(lease.worker or "")) is not None:
                machines.setdefault(facts.host, []).append(lease)
        return list(machines.values())


def capacity(spec: Mapping[str, Any], workers: Iterable[WorkerFacts]) -> int:
    """Return how many slots these workers could give a run at most."""
    hosts = [worker.host for worker in workers if worker.slots]
    if _spread(spec) == "workers":
        return len(hosts)
    return max(map(hosts.count, hosts), default=0)


def too_few(spec: Mapping[str, Any], most: int, cluster: str) -> ClusterError:
    """Return the error of a run that can never have all its slots."""
    slots, option = size(spec), "--gpus" if _spread(spec) == "host" else "--replicas"
    where = " on one machine" if _spread(spec) == "host" else ""
    return ClusterError(
        f"{option} {slots}: cluster {cluster!r} has {most} worker{'s' * (most != 1)}{where}. "
        f"Use {option} {most} or fewer, or add workers: %lepton cluster scale {slots}"
    )


def _spread(spec: Mapping[str, Any]) -> str:
    return str((spec.get("gang") or {}).get("spread", "workers"))


def _place(lease: Lease, workers: Mapping[str, WorkerFacts]) -> tuple[str, int, str]:
    """Sort by machine, then by name, 2 before 10: neighbours in a ring are near each other."""
    facts = workers.get(lease.worker or "")
    return (facts.host, len(facts.name), facts.name) if facts else ("", 0, lease.name)
