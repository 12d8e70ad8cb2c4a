"""Predicts how long a run would take at each place: queue, round trips, bytes, computation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lepton_jlab.cluster.links import HOST, Link, LinkTable
from lepton_jlab.runs.timings import Timings
from lepton_jlab.runs.worker import PART

TRIPS = 1.5  # round trips of a run that brings nothing
_UNPACK = 250e6  # bytes a second that zlib gives back; 220 to 320 where it was measured


@dataclass(frozen=True, slots=True)
class Payload:
    """A file that travels with a run: its bytes, and those that go over a slow link."""

    digest: str
    size: int
    packed: int


@dataclass(frozen=True, slots=True)
class Data:
    """A dataset that a run reads: stored bytes, and at which places it lies.

    A path can be read at its places only; a URL (`places` None: nobody knows where) everywhere, and
    what is read elsewhere travels as it is stored, compressed.
    """

    path: str
    size: int
    places: frozenset[str] | None

    @property
    def travels(self) -> bool:
        """Whether it can be read at other places, too."""
        return "://" in self.path


@dataclass(slots=True, eq=False)
class Work:
    """What the runs of one submission have in common, as far as it decides where they go."""

    code: str = ""
    asked: str | None = None
    payloads: list[Payload] = field(default_factory=list)
    data: list[Data] = field(default_factory=list)

    @property
    def bound(self) -> list[Data]:
        """The datasets that can be read at some places only."""
        return [data for data in self.data if data.places is not None and not data.travels]

    def readable(self, places: Iterable[str]) -> list[str]:
        """Return those of `places` where all its datasets can be read."""
        return [p for p in places if all(p in (data.places or ()) for data in self.bound)]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place for a run and what it would take there, in seconds.

    Attributes
    ----------
    queue
        Until a slot is free.
    latency
        Round trips.
    transfer
        Bytes over goodput; what is there already counts nothing.
    compute, decode
        The run itself, and unpacking what came.
    reading
        The part of `latency` and `transfer` that is for datasets, while the run computes.
    size
        Bytes that travel.
    measured
        Whether `compute` comes from earlier runs of the same code.
    obstacle
        Why it cannot be there, or None.
    """

    place: str
    queue: float = 0.0
    latency: float = 0.0
    transfer: float = 0.0
    compute: float = 0.0
    decode: float = 0.0
    reading: float = 0.0
    size: int = 0
    measured: bool = False
    obstacle: str | None = None

    @property
    def service(self) -> float:
        """Seconds for which it would hold a slot."""
        return self.latency + self.transfer + self.compute + self.decode

    @property
    def total(self) -> float:
        """Seconds until its result is there."""
        return self.queue + self.service

    def to_dict(self) -> dict[str, Any]:
        """Return it as it is recorded."""
        return {**asdict(self), "total": self.total}


def predict(
    work: Work,
    params: Mapping[str, Any] | None,
    place: str,
    *,
    queue: float,
    table: LinkTable,
    timings: Timings,
    held: set[str],
) -> Candidate:
    """Predict what a run would take at a place.

    Parameters
    ----------
    params
        Its variables; None for the mean of what has been.
    queue
        Seconds until a slot is free there.
    held
        Digests of the payloads that are there already.
    """
    missing = [payload for payload in work.payloads if payload.digest not in held]
    compute, measured = timings.seconds(work.code, params, place)
    latency = transfer = decode = reading = 0.0
    size = 0
    host = table.get(HOST, place)
    if host is not None:
        slow = worth_packing(host)
        size = sum(payload.packed if slow else payload.size for payload in missing)
        # To start it and to hear of its end; to send each part, and then to start it once more.
        trips = TRIPS + sum(1 - (-payload.size // PART) for payload in missing)
        latency, transfer = host.latency(size, trips), size / host.goodput
        decode = sum(payload.size for payload in missing if slow) / _UNPACK
    obstacle = None
    for data in work.data:
        if data.places is None or place in data.places:
            continue
        links = [table.get(there, place) for there in data.places]
        known = [link for link in links if link is not None and data.travels]
        if not known:
            obstacle = f"no worker there can read {data.path}"
            continue
        best = min(known, key=lambda link: link.seconds(data.size))
        size += data.size
        latency += best.latency(data.size, 2)
        transfer += data.size / best.goodput
        reading += best.seconds(data.size, 2)
    return Candidate(
        place, queue, latency, transfer, compute, decode, reading, size, measured, obstacle
    )


def worth_packing(link: Link) -> bool:
    """Tell whether a link is so slow that compressing what goes over it takes less time."""
    return link.goodput < 30e6
