"""Chooses the place of each run by what it would take there, and tells afterwards how right it was.

Nothing here does anything while all workers are at one place.
"""

from __future__ import annotations

import asyncio
import heapq
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.cluster.links import HOST
from lepton_jlab.cluster.links.service import DEFAULT, Links
from lepton_jlab.config import settings
from lepton_jlab.errors import UsageError, suggestion
from lepton_jlab.runs import records
from lepton_jlab.runs.gangs import size
from lepton_jlab.runs.lines import Lines
from lepton_jlab.runs.placing import TRIPS, Candidate, Data, Payload, Work, predict, worth_packing
from lepton_jlab.runs.timings import Timings

if TYPE_CHECKING:
    from lepton_jlab.cluster.host import Host
    from lepton_jlab.runs.journal import Entry
    from lepton_jlab.runs.slots import Lease

Busy = Callable[[], list["Lease"]]  # returns the slots that have runs

_SAMPLE = 256 * 1024  # bytes of a payload that are compressed to tell how small it gets


@dataclass(slots=True)
class Placed:
    """Where a run goes and why: all candidates as they were when it was decided."""

    chosen: Candidate
    candidates: list[Candidate]
    asked: str | None
    at: float
    sent: float = 0.0  # seconds in which payloads were brought

    def to_dict(self, **more: Any) -> dict[str, Any]:
        """Return it as it is recorded."""
        return {
            "label": self.chosen.place,
            "asked": self.asked or "auto",
            "predicted": self.chosen.total,
            "measured": self.chosen.measured,
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            **more,
        }


class Places:
    """Decides for one host's runs."""

    def __init__(self, host: Host, lines: Lines) -> None:
        self.timings = Timings()
        self._host = host
        self._lines = lines
        self._held: dict[str, set[str]] = {}
        self._sizes: dict[tuple[str, str], int] = {}

    @property
    def links(self) -> Links:
        """The host's links."""
        return self._host.links

    def labels(self) -> list[str]:
        """Return the places that have workers."""
        return list(self.links.labels()) or [self._host.plan.place or DEFAULT]

    def several(self) -> bool:
        """Tell whether there is a choice, and the links are known by which to choose."""
        return self.links.measured.is_set() and len(self.labels()) > 1

    def check(self, asked: str | None) -> None:
        """Refuse a place that has no workers."""
        known = self.labels()
        if asked is not None and asked not in known:
            raise UsageError(
                f"--place {asked}: cluster {self._host.plan.name!r} has no workers there."
                f"{suggestion(asked, known)} Its places: {', '.join(known)}. Workers say theirs "
                "by LEPTON_PLACE in their environment."
            )

    async def work(self, code: str, spec: Mapping[str, Any]) -> Work:
        """Find out what a submission would have to bring to each place.

        Raises
        ------
        UsageError
            Its datasets cannot be read where it is to go, or at no place all of them.
        """
        work = Work(code, spec.get("place"))
        if len(places := self.labels()) > 1:
            paths = [records.payload_folder() / digest for digest in spec["payloads"]]
            work.payloads = await asyncio.to_thread(lambda: [_payload(path) for path in paths])
            work.data = [await self._find(path) for path in spec.get("datasets", ())]
            if not work.readable(places if work.asked is None else [work.asked]):
                raise UsageError(_unreadable(work))
        return work

    def place(self, entries: Sequence[Entry], busy: Busy) -> None:
        """Choose a place for runs that are about to wait; with one place for all, none."""
        if not self.several():
            places = self.labels()
            for entry in entries:
                chosen = entry.work.asked
                if chosen is None and entry.work.bound:
                    chosen = next(iter(entry.work.readable(places)), None)
                entry.place = chosen if len(places) > 1 else None
            return
        free = self._free_at(busy())
        for entry in entries:
            placed = self._choose(entry, {place: slots[0] for place, slots in free.items()})
            entry.placed, entry.place = placed, placed.chosen.place
            heapq.heapreplace(free[entry.place], placed.chosen.total)

    def relieve(self, busy: Busy) -> None:
        """Move runs that wait from places with long lines to places with free slots, if it pays."""
        if not self.several() or not len(self._lines):
            return
        self._sort_out(busy)
        taken = Counter(self._label(lease) for lease in busy())
        for place in self.labels():
            if self._lines.line(place) or self._slots(place) <= taken[place]:
                continue
            free = self._free_at(busy())
            lines = [label for label, line in self._lines if label in free and line]
            if not lines:
                return
            longest = max(lines, key=lambda label: free[label][0])
            last = self._lines.line(longest)[-1]
            if last.work.asked is not None:
                continue
            stays = self._predict(last.work, last.spec["params"], longest, 0.0)
            waits = dict.fromkeys(free, 0.0)
            waits[longest] = max(0.0, free[longest][0] - stays.service)  # it is itself in its line
            placed = self._choose(last, waits)
            if placed.chosen.place == place and placed.chosen.measured:
                last.placed = placed
                self._lines.move(last, place)

    def sent(self, worker: str, digests: Iterable[str]) -> None:
        """Note which payloads a worker has."""
        if place := self.links.places.get(worker):
            self._held.setdefault(place, set()).update(digests)

    def slow(self, worker: str) -> bool:
        """Tell whether what is sent to a worker is worth compressing."""
        link = self.links.table.get(HOST, self.links.places.get(worker, ""))
        return link is not None and worth_packing(link)

    def ended(self, entry: Entry) -> dict[str, Any]:
        """Learn from a run that has ended well; return what its record says of its place."""
        now = time.time()
        placed = entry.placed
        if placed is None:
            return {}
        held = now - entry.dispatched
        host = self.links.table.get(HOST, placed.chosen.place)
        trips = TRIPS * host.rtt if host is not None else 0.0
        compute = max(held - placed.sent - trips - placed.chosen.reading, 0.05 * held)
        params = entry.spec["params"]
        self.timings.note(entry.work.code, params, placed.chosen.place, compute)
        actual = {
            "queue": entry.dispatched - placed.at,
            "sent": placed.sent,
            "compute": compute,
            "total": now - placed.at,
        }
        return {"placement": placed.to_dict(actual=actual)}

    def _free_at(self, busy: Iterable[Lease]) -> dict[str, list[float]]:
        """Return in how many seconds each slot of each place is free, the next one first."""
        now = time.time()
        free = {place: [0.0] * self._slots(place) for place in self.labels()}
        for lease in busy:
            slots = free.get(self._label(lease) or "", [])
            for number, entry in enumerate(lease.entries if slots else ()):
                spent = now - entry.dispatched if number == 0 and entry.dispatched else 0.0
                service = entry.placed.chosen.service if entry.placed else 0.0
                heapq.heapreplace(slots, slots[0] + max(0.0, service - spent))
        for place, slots in free.items():
            for work, count in self._lines.works(place).items():
                service = self._predict(work, None, place, 0.0).service
                each, rest = divmod(count, len(slots))
                slots[:] = sorted(seconds + each * service for seconds in slots)
                for _ in range(rest):
                    heapq.heapreplace(slots, slots[0] + service)
        return free

    def _label(self, lease: Lease) -> str | None:
        return self.links.places.get(lease.worker or "")

    def _choose(self, entry: Entry, waits: Mapping[str, float]) -> Placed:
        work: Work = entry.work
        found = [
            self._predict(work, entry.spec["params"], place, wait) for place, wait in waits.items()
        ]
        allowed = [c for c in found if c.place == work.asked] if work.asked else found
        slots = size(entry.spec)
        possible = [c for c in allowed if c.obstacle is None] or allowed or found
        large_enough = [c for c in possible if self._slots(c.place) >= slots] or possible
        chosen = min(large_enough, key=lambda candidate: candidate.total)
        return Placed(chosen, found, work.asked, time.time())

    def _predict(
        self, work: Work, params: Mapping[str, Any] | None, place: str, queue: float
    ) -> Candidate:
        return predict(
            work,
            params,
            place,
            queue=queue,
            table=self.links.table,
            timings=self.timings,
            held=self._held.get(place, set()),
        )

    def _slots(self, place: str) -> int:
        return max(1, len(self.links.labels().get(place, ())))

    def _sort_out(self, busy: Busy) -> None:
        """Choose anew for runs whose line has no place any more, or never had one."""
        known = self.labels()
        for label, line in self._lines:
            if label in known:
                continue
            lost = [
                entry
                for entry in line  # others wait until their place is there again
                if label is None or (entry.work.asked is None and entry.work.readable(known))
            ]
            for entry in lost:
                self._lines.remove(entry)
            self.place(lost, busy)
            for entry in lost:
                self._lines.add(entry)

    async def _find(self, path: str) -> Data:
        """Return where a dataset lies: at the place that its address says, or that can read it."""
        mapped = [
            (prefix, p) for prefix, p in settings().data_places.items() if path.startswith(prefix)
        ]
        there = max(mapped)[1] if mapped else None
        if "://" in path and there is None:
            return Data(path, 0, None)
        found = {}
        for place, workers in self.links.labels().items():
            if there not in (None, place):
                continue
            key = place, path
            if (stored := self._sizes.get(key)) is None:  # what is not there yet may come
                call = self._host.backend.call
                stored = await call(workers[0], "lepton_stored", path=path)
            if stored is not None:
                found[place] = self._sizes[key] = stored
        if not found:
            return Data(path, 0, None)
        return Data(path, max(found.values()), frozenset(found))


def _unreadable(work: Work) -> str:
    """Say which datasets of a submission can be read where, and what to do."""
    where = [f"{data.path} at {' and '.join(sorted(data.places or ()))}" for data in work.bound]
    if work.asked is None:
        return (
            f"No place can read all datasets of this run: {', '.join(where)}. Put them where one "
            "place can read all, or into an object store, and open them by URL."
        )
    far = [data for data in work.bound if work.asked not in (data.places or ())]
    there = " or ".join(sorted(far[0].places or ()))
    return (
        f"--place {work.asked}: no worker there can read {far[0].path}, which is at {there}. Send "
        f"the run there (--place {there}, or leave --place out), or put the dataset where "
        f"{work.asked} can read it, too: an object store, opened by URL."
    )


def _payload(path: Path) -> Payload:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _SAMPLE) // 2)
        sample = file.read(_SAMPLE)
    share = len(zlib.compress(sample, 1)) / max(1, len(sample))
    return Payload(path.name, size, int(size * min(1.0, share)))
