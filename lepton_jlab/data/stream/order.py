"""Which samples make which batch: a pure function of (seed, epoch), for one rank or many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """Samples that are read together.

    Attributes
    ----------
    first
        How many samples of the epoch this rank gives out before those of this window.
    starts, lengths
        The ranges of positions it consists of, in the order in which they are read.
    permutation
        The place of each sample read among those given out; None where it is the same.
    """

    first: int
    starts: Ints
    lengths: Ints
    permutation: Ints | None

    def __len__(self) -> int:
        return int(self.lengths.sum())

    @property
    def positions(self) -> Ints:
        """Positions in the dataset of the samples, in the order in which they are read."""
        before = np.cumsum(self.lengths) - self.lengths
        return np.repeat(self.starts - before, self.lengths) + np.arange(len(self))


@dataclass(frozen=True)
class Order:
    """The order of an epoch.

    Units, which are stored chunks, come in a shuffled order, each read by one rank alone. A rank
    reads its own in windows of several units and gives out each window permuted.

    Parameters
    ----------
    cuts
        Positions at which units begin, and the number of samples: ``[0, 64, 128, 150]``.
    window
        Most samples in a window, unless a single unit has more.

    Raises
    ------
    UsageError
        If a number is out of its range.
    DataError
        If the samples do not suffice for the ranks and batches asked for.
    """

    cuts: Ints
    batch_size: int
    shuffle: bool = False
    seed: int = 0
    rank: int = 0
    world: int = 1
    drop_remainder: bool = False
    window: int = 1 << 16

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"batch_size is {self.batch_size}; it must be 1 or more.")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}; it must be 0 or more.")
        if not 0 <= self.rank < self.world:
            raise UsageError(f"rank {self.rank} is not one of the {self.world} ranks from 0.")
        if self.cuts[-1] == 0:
            raise DataError("There are no samples to make batches of.")
        if self.cuts[-1] < self.world:
            raise DataError(f"{self.cuts[-1]} samples are too few for {self.world} ranks.")
        if self.drop_remainder and self._shares.min() < self.batch_size:
            raise DataError(
                f"No batch is left: drop_remainder with batch_size {self.batch_size}, and "
                f"{self._shares.min()} samples a rank. Use a smaller batch_size."
            )
        if self._shares.min() < len(self.batch_sizes):
            raise DataError(
                f"A rank has {self._shares.min()} samples, and another needs "
                f"{len(self.batch_sizes)} batches: ranks cannot have equally many. "
                "Use drop_remainder=True or a larger batch_size."
            )

    @cached_property
    def batch_sizes(self) -> Ints:
        """Sizes of this rank's batches, in any epoch; every rank has as many of them.

        As no chunk is read by two ranks, one may have fewer samples than another: its batches are
        then smaller, all by the same share.
        """
        shares, size = self._shares, self.batch_size
        if self.drop_remainder:
            return np.full(shares.min() // size, size)
        count, own = -(-int(shares.max()) // size), int(shares[self.rank])
        if -(-own // size) == count:
            return np.diff(np.minimum(np.arange(count + 1) * size, own))
        return np.diff(np.arange(count + 1) * own // count)

    @property
    def samples(self) -> int:
        """Samples that this rank gives out in an epoch."""
        return int(self.batch_sizes.sum())

    def identity(self) -> dict[str, Any]:
        """Return what tells these samples, units and windows from others, JSON-ready."""
        units = hashlib.sha256(self._edges.tobytes()).hexdigest()[:16]
        return {"samples": int(self.cuts[-1]), "units": units, "window": self.window}

    def windows(self, epoch: int, passed: int = 0) -> Iterator[Window]:
        """Yield what this rank reads in `epoch` after it gave out `passed` samples."""
        units = self._units(epoch)
        lengths = self._lengths[units]
        first = number = start = 0
        while start < len(units) and first < self.samples:
            held = np.cumsum(lengths[start : start + 1 + self.window])
            stop = start + max(1, int(np.searchsorted(held, self.window, "right")))
            samples = int(held[stop - start - 1])
            if first + samples > passed:
                chosen = units[start:stop]
                yield self._window(epoch, number, first, chosen)
            first, number, start = first + samples, number + 1, stop

    @cached_property
    def _edges(self) -> Ints:
        """The cuts; finer ones where units are too few to give each rank a sample a batch."""
        cuts, parts = self.cuts, 1
        while parts <= int(np.diff(self.cuts).max()) and not self._suffices(cuts):
            parts *= 2
            finer = [np.linspace(a, b, parts + 1).astype(np.int64) for a, b in pairwise(self.cuts)]
            cuts = np.unique(np.concatenate(finer))
        return cuts

    def _suffices(self, cuts: Ints) -> bool:
        shares = self._dealt(np.diff(cuts))
        return int(shares.min()) >= (
            self.batch_size if self.drop_remainder else -(-int(shares.max()) // self.batch_size)
        )

    @cached_property
    def _lengths(self) -> Ints:
        return np.diff(self._edges)

    @cached_property
    def _shares(self) -> Ints:
        """How many samples each rank has: the same in each epoch."""
        return self._dealt(self._lengths)

    def _dealt(self, lengths: Ints) -> Ints:
        longest_first = np.sort(lengths)[::-1]
        shares = np.bincount(self._hands(len(lengths)), longest_first, self.world)
        return shares.astype(np.int64)

    def _hands(self, units: int) -> Ints:
        """Return the rank of each unit, from the longest to the shortest, dealt there and back."""
        round_, place = np.divmod(np.arange(units), self.world)
        return np.where(round_ % 2 == 0, place, self.world - 1 - place)

    def _units(self, epoch: int) -> Ints:
        """Return this rank's units in the order in which they are read."""
        units = np.arange(len(self._lengths))
        if self.shuffle:
            units = np.random.default_rng([self.seed, epoch]).permutation(units)
        if self.world == 1:
            return units
        longest_first = np.argsort(-self._lengths[units], kind="stable")
        ranks = np.empty_like(units)
        ranks[longest_first] = self._hands(len(units))
        own: Ints = units[ranks == self.rank]
        return own

    def _window(self, epoch: int, number: int, first: int, units: Ints) -> Window:
        lengths = self._lengths[units]
        permutation = None
        if self.shuffle:
            key = [self.seed, epoch, 1 + number, self.rank, self.world]
            permutation = np.random.default_rng(key).permutation(int(lengths.sum()))
        return Window(first, self._edges[units], lengths, permutation)
