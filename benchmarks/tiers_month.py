"""A month of a laboratory: 200 datasets, read by sessions, and who keeps them where.

The policy is Lepton's own (`lepton_jlab.data.tiers.policy`), asked once a night. Money is in USD,
sizes are in GB, times in days.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from lepton_jlab.data.tiers.policy import Item, assign
from lepton_jlab.data.tiers.prices import GB, Tier, Tiers
from lepton_jlab.data.tiers.score import (
    CACHE_HALF_LIFE,
    DAY,
    decayed,
    expected,
    forecast,
)

DATASETS = 200
DAYS, MONTH = 90, 30  # the last 30 days count; before them everybody learns
SESSIONS = 10  # a day, each of some epochs of one dataset
EPOCHS = 4  # of a session, on average
SHIFT = 1 / 20  # of the datasets that change places in popularity in a night
ZIPF = 1.0
HOT_SHARE = 0.1  # of all bytes has room on the hot disk
LETHARGY = 30  # days unread after which age-only tiering calls a dataset cold

# What a GB takes in each tier: lz4, zstd, and zstd with more effort.
RATIO = {"hot": 1.25, "warm": 1.0, "cold": 0.93}

# A local disk that is there anyway; AWS S3 Standard and Standard-IA in us-east-1 (0.023 and 0.0125
# a GB-month; IA asks 0.01 a GB read, and 30 days). While data come, a machine of 3 USD/h waits:
# 4 GB/s from the disk, 1 GB/s from the store.
HOT = Tier("hot", read=0.0002, write=0.0002, storage=0.0)
WARM = Tier("warm", read=0.0008, write=0.0008, storage=0.023)
COLD = Tier("cold", read=0.0108, write=0.0040, storage=0.0125, minimum_days=30)
PLACES = ("hot", "warm", "cold")
HALF_LIFE = CACHE_HALF_LIFE / DAY


@dataclass(frozen=True, slots=True)
class World:
    """What happens: ``sizes`` in GB when warm, and by day which dataset is read, in order."""

    sizes: np.ndarray
    reads: list[list[int]]
    tiers: Tiers

    def bytes_in(self, one: int, tier: str) -> float:
        """Return the GB of a dataset in a tier."""
        return float(self.sizes[one]) * RATIO[tier]


def world(seed: int, days: int = DAYS, looks: int = 0) -> World:
    """Draw datasets of different sizes, whose popularity is Zipf's and shifts night by night.

    Parameters
    ----------
    looks
        How many large datasets are looked through once a day, besides.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.lognormal(np.log(20), 1.2, DATASETS)
    weights = 1.0 / np.arange(1, DATASETS + 1) ** ZIPF
    weights /= weights.sum()
    rank = rng.permutation(DATASETS)
    reads = []
    for _ in range(days):
        moved = rng.random(DATASETS) < SHIFT
        rank[moved] = rng.permutation(rank[moved])
        today: list[int] = []
        for one in rng.choice(DATASETS, rng.poisson(SESSIONS), p=weights[rank]):
            today += [int(one)] * int(rng.geometric(1 / EPOCHS))
        for one in rng.choice(np.argsort(-sizes)[: DATASETS // 4], looks):
            today.insert(int(rng.integers(len(today) + 1)), int(one))
        reads.append(today)
    room = int(HOT_SHARE * sizes.sum() * GB)
    tiers = Tiers({"hot": replace(HOT, capacity=room), "warm": WARM, "cold": COLD})
    return World(sizes, reads, tiers)


@dataclass(slots=True)
class Bill:
    """What a month costs, and what it read: USD, and GB from the hot tier of all GB."""

    storage: float = 0.0
    reading: float = 0.0
    moving: float = 0.0
    hot: float = 0.0
    read: float = 0.0
    daily: list[float] = field(default_factory=list)

    @property
    def money(self) -> float:
        """All of it."""
        return self.storage + self.reading + self.moving

    @property
    def hits(self) -> float:
        """Share of the bytes read that came from the hot tier."""
        return self.hot / self.read if self.read else 0.0


class Placement:
    """Where each dataset is, and what that costs from the first day of the month on."""

    def __init__(self, given: World) -> None:
        self.world = given
        self.place = ["warm"] * len(given.sizes)
        self.since = [-1000.0] * len(given.sizes)
        self.day = 0
        self.bill = Bill()

    @property
    def counts(self) -> bool:
        """Whether the month has begun."""
        return self.day >= len(self.world.reads) - MONTH

    def move(self, one: int, to: str) -> None:
        """Move a dataset."""
        here, there = self.world.tiers[self.place[one]], self.world.tiers[to]
        cost = self.world.bytes_in(one, here.name) * here.read
        cost += self.world.bytes_in(one, to) * there.write
        early = max(0.0, here.minimum_days - (self.day - self.since[one])) / 30
        cost += self.world.bytes_in(one, here.name) * here.storage * early
        self.place[one], self.since[one] = to, self.day
        if self.counts:
            self.bill.moving += cost

    def copy(self, size: float) -> None:
        """Write so many GB to the hot disk, of what is just read."""
        if self.counts:
            self.bill.moving += size * self.world.tiers["hot"].write

    def read(self, one: int, share: float = 0.0) -> None:
        """Read a dataset once, `share` of it from the hot disk."""
        if self.counts:
            for name, part in (("hot", share), (self.place[one], 1 - share)):
                self.bill.reading += (
                    self.world.bytes_in(one, name) * part * self.world.tiers[name].read
                )
            self.bill.read += float(self.world.sizes[one])
            self.bill.hot += float(self.world.sizes[one]) * share

    def end_day(self) -> None:
        """Pay for the storage of a day."""
        if self.counts:
            self.bill.storage += sum(
                self.world.bytes_in(one, name) * self.world.tiers[name].storage / 30
                for one, name in enumerate(self.place)
            )
            self.bill.daily.append(self.bill.money)
        self.day += 1


class Disk:
    """The hot disk: keeps copies of what is read, parts of datasets where not all fits.

    What was read stays where it was, so that dropping a copy costs nothing. A dataset loses nothing
    to itself, as in `lepton_jlab.data.cache`.

    Parameters
    ----------
    half_life
        In days, of the counts by which it drops the least valued first; None drops what was read
        longest ago (LRU).
    guarded
        Whether only what is valued less than the new gives way.
    """

    def __init__(self, given: World, half_life: float | None, guarded: bool = False) -> None:
        self._half_life = half_life * DAY if half_life else None
        self._guarded = guarded
        self._room = (given.tiers["hot"].capacity or 0) / GB
        self._kept: dict[int, float] = {}
        self._count = [0.0] * len(given.sizes)
        self._at = [0.0] * len(given.sizes)

    def read(self, placement: Placement, one: int, now: float) -> float:
        """Read a dataset, and keep what is not here if it fits; return the share that was here."""
        self._count[one] = self._value(one, now) + 1 if self._half_life else 0.0
        self._at[one] = now
        size = placement.world.bytes_in(one, "hot")
        here = self._kept.get(one, 0.0) / size
        placement.read(one, here)
        wanted = size * (1 - here)
        if wanted > 1e-9 and (got := self._make_room(one, wanted, now)) > 0:
            self._kept[one] = self._kept.get(one, 0.0) + got
            placement.copy(got)
        return here

    def _value(self, one: int, now: float) -> float:
        if not self._half_life:
            return self._at[one]
        return decayed(self._count[one], now - self._at[one], self._half_life)

    def _make_room(self, own: int, wanted: float, now: float) -> float:
        room = self._room - sum(self._kept.values())
        value = self._value(own, now)
        for one in sorted((o for o in self._kept if o != own), key=lambda o: self._value(o, now)):
            if room >= wanted or (self._guarded and self._value(one, now) >= value):
                break
            freed = min(self._kept[one], wanted - room)
            room += freed
            self._kept[one] -= freed
            if self._kept[one] < 1e-9:
                del self._kept[one]
        return min(room, wanted)


class Nothing:
    """Leaves every dataset where it is."""

    def night(self, placement: Placement) -> None:
        """Move nothing."""

    def read(self, placement: Placement, one: int, share: float) -> None:
        """Note nothing."""


class Aged:
    """Age-only: cold after a number of days unread, warm again as soon as it is read."""

    def __init__(self, given: World) -> None:
        self._last = [0] * len(given.sizes)

    def night(self, placement: Placement) -> None:
        """Call cold what was not read for long."""
        for one, day in enumerate(self._last):
            if placement.day - day >= LETHARGY and placement.place[one] == "warm":
                placement.move(one, "cold")

    def read(self, placement: Placement, one: int, _share: float) -> None:
        """Bring back what is read."""
        self._last[one] = placement.day
        if placement.place[one] == "cold":
            placement.move(one, "warm")


class Scored:
    """Lepton: the policy is asked every night, by decayed counts of what the tiers had to give.

    Parameters
    ----------
    tiers
        Those among which it places.
    """

    def __init__(self, given: World, tiers: Tiers) -> None:
        self._tiers = tiers
        self._count = [0.0] * len(given.sizes)
        self._sizes = [
            {name: int(given.bytes_in(one, name) * GB) for name in tiers.tiers}
            for one in range(len(given.sizes))
        ]

    def night(self, placement: Placement) -> None:
        """Move what the policy says."""
        half_life, known_for = self._tiers.half_life, placement.day * DAY
        self._count = [decayed(count, DAY, half_life) for count in self._count]
        own = [expected(count, half_life, known_for) for count in self._count]
        items = [
            Item(str(one), tier, self._sizes[one], reads, days=placement.day - since)
            for one, (tier, reads, since) in enumerate(
                zip(placement.place, forecast(own, self._tiers.doubt), placement.since, strict=True)
            )
        ]
        for name, to in assign(items, self._tiers).items():
            if placement.place[int(name)] != to:
                placement.move(int(name), to)

    def read(self, _placement: Placement, one: int, share: float) -> None:
        """Count what was read of a dataset."""
        self._count[one] += share


def play(given: World, keeper: Nothing | Aged | Scored, disk: Disk | None = None) -> Bill:
    """Return the month's bill with a way to place datasets, and perhaps a hot disk before them."""
    placement = Placement(given)
    for day, today in enumerate(given.reads):
        if day:
            keeper.night(placement)
        for number, one in enumerate(today):
            share = 1.0
            if disk is None:
                placement.read(one, 1.0 if placement.place[one] == "hot" else 0.0)
            else:
                share -= disk.read(placement, one, (day + number / len(today)) * DAY)
            keeper.read(placement, one, share)
        placement.end_day()
    return placement.bill
