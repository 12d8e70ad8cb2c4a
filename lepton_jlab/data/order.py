"""Which samples make which batch: a pure function of (seed, epoch), for one rank or many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lepton_jlab.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Window:
    """Samples that are read together: ranges of positions, and the order they are given out in."""

    ranges: list[tuple[int, int]]
    permutation: NDArray[np.int64] | None

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self.ranges)


@dataclass(frozen=True, slots=True)
class Order:
    """The order of an epoch.

    The stored chunks come in a shuffled order, cut into `world` stretches whose lengths differ by
    one sample at most. A rank reads its stretch in windows of several chunks and gives out each
    window permuted. So a chunk is decoded once, except where the border of two ranks cuts it.

    Parameters
    ----------
    cuts
        Positions at which chunks begin, and the number of samples: ``[0, 64, 128, 150]``.
    window
        Samples in a window; at least one chunk is read.
    """

    cuts: NDArray[np.int64]
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
        if self.samples == 0:
            raise DataError("There are no samples to make batches of.")
        if self.samples < self.world:
            raise DataError(f"{self.samples} samples are too few for {self.world} ranks.")
        if self.drop_remainder and self.samples // self.world < self.batch_size:
            raise DataError(
                f"No batch is left: drop_remainder with batch_size {self.batch_size}, and "
                f"{self.samples // self.world} samples a rank. Use a smaller batch_size."
            )
        if self.batch_size == 1 and self.samples % self.world and not self.drop_remainder:
            raise DataError(
                f"{self.samples} samples in batches of 1 cannot give {self.world} ranks equally "
                "many batches. Use drop_remainder=True or a larger batch_size."
            )

    @property
    def samples(self) -> int:
        """Samples of all ranks together."""
        return int(self.cuts[-1])

    @property
    def stretch(self) -> tuple[int, int]:
        """Where this rank's part of the epoch begins and ends."""
        start = self.samples * self.rank // self.world
        return start, self.samples * (self.rank + 1) // self.world

    @property
    def batch_sizes(self) -> list[int]:
        """Sizes of this rank's batches; every rank has as many of them."""
        if self.drop_remainder:
            return [self.batch_size] * (self.samples // self.world // self.batch_size)
        start, stop = self.stretch
        full, rest = divmod(stop - start, self.batch_size)
        sizes = [self.batch_size] * full + ([rest] if rest else [])
        most = -(-self.samples // self.world)
        if len(sizes) < -(-most // self.batch_size):  # another rank has one sample, one batch more
            sizes[-1:] = [self.batch_size - 1, 1]
        return sizes

    def windows(self, epoch: int) -> Iterator[Window]:
        """Yield what this rank reads in `epoch`, in the order it is read."""
        pieces: list[tuple[int, int]] = []
        held = 0
        number = 0
        for start, stop in self._pieces(epoch):
            pieces.append((start, stop))
            held += stop - start
            if held >= self.window:
                yield self._window(epoch, number, pieces)
                pieces, held, number = [], 0, number + 1
        if pieces:
            yield self._window(epoch, number, pieces)

    def _pieces(self, epoch: int) -> Iterator[tuple[int, int]]:
        """Yield the chunks of this rank's stretch, the first and the last of them cut to it."""
        lengths = np.diff(self.cuts)
        chunks = np.arange(len(lengths))
        if self.shuffle:
            chunks = np.random.default_rng([self.seed, epoch]).permutation(chunks)
        ends = np.cumsum(lengths[chunks])
        start, stop = self.stretch
        for chunk, end in zip(chunks.tolist(), ends.tolist(), strict=True):
            begin = end - int(lengths[chunk])
            low, high = max(begin, start), min(end, stop)
            if low < high:
                shift = int(self.cuts[chunk]) - begin
                yield low + shift, high + shift

    def _window(self, epoch: int, number: int, pieces: list[tuple[int, int]]) -> Window:
        ranges: list[tuple[int, int]] = []
        for start, stop in sorted(pieces):  # neighbours are read in one go
            if ranges and ranges[-1][1] == start:
                ranges[-1] = (ranges[-1][0], stop)
            else:
                ranges.append((start, stop))
        if not self.shuffle:
            return Window(ranges, None)
        held = sum(stop - start for start, stop in ranges)
        key = [self.seed, epoch, 1 + number, self.rank, self.world]
        return Window(ranges, np.random.default_rng(key).permutation(held))
