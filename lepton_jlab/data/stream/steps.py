"""What is done to streams of batches: a function of each, fewer, again, several as one, mixed."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lepton_jlab.data.stream.structure import each, leaves, samples
from lepton_jlab.errors import DataError, UsageError

if TYPE_CHECKING:
    from lepton_jlab.data.prepare.recipe import Recipe
    from lepton_jlab.data.stream.report import Meter


class Stream(Protocol):
    """Batches, a number of them in an epoch, in an order that is a function of the epoch."""

    @property
    def batch_size(self) -> int:
        """Samples in a batch that is not cut short."""

    @property
    def count(self) -> int | None:
        """Batches in an epoch; None if it does not end."""

    def sizes(self, epoch: int) -> Iterator[int]:
        """Yield how many samples each batch of an epoch has."""

    def draw(self, epoch: int, skip: int, meter: Meter) -> Iterator[Any]:
        """Yield the batches of an epoch but the first `skip`."""


@dataclass(frozen=True, eq=False)
class Joined:
    """Streams of equally many batches as one, whose batches are theirs behind one another."""

    streams: Sequence[Stream]

    @property
    def batch_size(self) -> int:
        return sum(stream.batch_size for stream in self.streams)

    @property
    def count(self) -> int | None:
        return self.streams[0].count

    def sizes(self, epoch: int) -> Iterator[int]:
        for sizes in zip(*(stream.sizes(epoch) for stream in self.streams), strict=True):
            yield sum(sizes)

    def draw(self, epoch: int, skip: int, meter: Meter) -> Iterator[Any]:
        sources = [stream.draw(epoch, skip, meter) for stream in self.streams]
        try:
            for parts in zip(*sources, strict=True):
                yield each(lambda *values: np.concatenate(values), *parts)
        finally:
            for source in sources:
                close(source)


@dataclass(frozen=True, eq=False)
class Mapped:
    """Each batch of a stream, given to a function."""

    stream: Stream
    function: Callable[..., Any]
    prepare: Callable[[Any], Any]  # makes of the arrays what the function takes

    @property
    def batch_size(self) -> int:
        return self.stream.batch_size

    @property
    def count(self) -> int | None:
        return self.stream.count

    def sizes(self, epoch: int) -> Iterator[int]:
        return self.stream.sizes(epoch)

    def draw(self, epoch: int, skip: int, meter: Meter) -> Iterator[Any]:
        for batch in self.stream.draw(epoch, skip, meter):
            start = time.perf_counter()
            given = each(self.prepare, batch)
            made = self.function(*given) if isinstance(given, tuple) else self.function(given)
            meter.add(mapped=time.perf_counter() - start)
            lengths = {leaf.shape[0] if getattr(leaf, "shape", ()) else 0 for leaf in leaves(made)}
            if lengths != {samples(batch)}:
                raise DataError(
                    f"The function given to map made arrays of {sorted(lengths) or 'no'} samples "
                    f"from a batch of {samples(batch)}. It must return as many as it gets, in a "
                    "tuple, a dict or an array."
                )
            yield made


@dataclass(frozen=True)
class Prepared:
    """What a recipe does, as the function of a `Mapped` stream."""

    recipe: Recipe

    def __call__(self, *arrays: Any) -> Any:
        return self.recipe(arrays if len(arrays) > 1 else arrays[0])


@dataclass(frozen=True, eq=False)
class Taken:
    """The first batches of each epoch of a stream."""

    stream: Stream
    most: int

    def __post_init__(self) -> None:
        if self.most < 1:
            raise UsageError(f"take({self.most}): it must be 1 batch or more.")

    @property
    def batch_size(self) -> int:
        return self.stream.batch_size

    @property
    def count(self) -> int:
        return self.most if self.stream.count is None else min(self.most, self.stream.count)

    def sizes(self, epoch: int) -> Iterator[int]:
        return itertools.islice(self.stream.sizes(epoch), self.most)

    def draw(self, epoch: int, skip: int, meter: Meter) -> Iterator[Any]:
        batches = self.stream.draw(epoch, skip, meter)
        try:
            yield from itertools.islice(batches, self.count - skip)
        finally:
            close(batches)


@dataclass(frozen=True, eq=False)
class Repeated:
    """Several epochs of a stream as one, or all of them without end."""

    stream: Stream
    times: int | None

    def __post_init__(self) -> None:
        if self.times is not None and self.times < 1:
            raise UsageError(f"repeat({self.times}): it must be once or more.")
        if self.stream.count is None:
            raise UsageError("This stream has no end already; it cannot be repeated.")

    @property
    def batch_size(self) -> int:
        return self.stream.batch_size

    @property
    def count(self) -> int | None:
        return None if self.times is None else self.times * self._each

    @property
    def _each(self) -> int:
        assert self.stream.count is not None
        return self.stream.count

    def sizes(self, epoch: int) -> Iterator[int]:
        for number in self._passes(epoch, 0):
            yield from self.stream.sizes(number)

    def draw(self, epoch: int, skip: int, meter: Meter) -> Iterator[Any]:
        skip_here = skip % self._each
        for number in self._passes(epoch, skip // self._each):
            yield from self.stream.draw(number, skip_here, meter)
            skip_here = 0

    def _passes(self, epoch: int, first: int) -> Iterator[int]:
        if self.times is None:
            return itertools.count(first)
        return iter(range(epoch * self.times + first, (epoch + 1) * self.times))


@dataclass(frozen=True, eq=False)
class Paced:
    """A stream in epochs of another length, each of which goes on where the last one ended."""

    stream: Stream
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"paced({self.count}): it must be 1 batch or more.")

    @cached_property
    def _endless(self) -> Stream:
        return self.stream if self.stream.count is None else Repeated(self.stream, None)

    @property
    def batch_size(self) -> int:
        return self.stream.batch_size

    def sizes(self, epoch: int) -> Iterator[int]:
        first = epoch * self.count
        return itertools.islice(self._endless.sizes(0), first, first + self.count)

    def draw(self, epoch: int, skip: int, meter: Meter) -> Iterator[Any]:
        batches = self._endless.draw(0, epoch * self.count + skip, meter)
        try:
            yield from itertools.islice(batches, self.count - skip)
        finally:
            close(batches)


@dataclass(frozen=True, eq=False)
class Mixed:
    """Batches in which each of several streams has its share; it ends with the first of them."""

    streams: Sequence[Stream]
    weights: Sequence[float]
    seed: int
    batch_size: int

    def __post_init__(self) -> None:
        if len(self.streams) < 2:
            raise UsageError("mix needs two streams or more.")
        if len(self.weights) != len(self.streams) or not all(
            0 < w < math.inf for w in self.weights
        ):
            raise UsageError(
                f"mix needs one positive weight for each of its {len(self.streams)} streams; "
                f"given: {list(self.weights)}."
            )
        if self.batch_size < 1:
            raise UsageError(f"batch_size is {self.batch_size}; it must be 1 or more.")
        if self.count == 0:
            raise DataError(
                f"No batch of {self.batch_size} can be mixed: a stream has too few samples. "
                "Use a smaller batch_size, or .repeat() the small one."
            )

    @cached_property
    def count(self) -> int | None:
        """Batches in an epoch: as many as every stream has samples for."""
        if all(stream.count is None for stream in self.streams):
            return None
        # Streams have equally many samples in each epoch, whatever their order.
        left = [None if stream.count is None else sum(stream.sizes(0)) for stream in self.streams]
        for number, shares in enumerate(self._shares()):
            for i, share in enumerate(shares):
                had = left[i]
                if had is not None:
                    left[i] = had - share
                    if share > had:
                        return number
        return None

    def sizes(self, _epoch: int) -> Iterator[int]:
        return itertools.repeat(self.batch_size, *([] if self.count is None else [self.count]))

    def draw(self, epoch: int, skip: int, meter: Meter) -> Iterator[Any]:
        # An endless stream goes on where the epoch before has left it.
        used = self._used(self.count or 0)
        whole = [
            epoch * n if stream.count is None else 0
            for stream, n in zip(self.streams, used, strict=True)
        ]
        passed = [w + n for w, n in zip(whole, self._used(skip), strict=True)]
        shares = itertools.islice(self._shares(), skip, None)
        sources = [
            _Source(stream, epoch, p, meter) for stream, p in zip(self.streams, passed, strict=True)
        ]
        try:
            for number in itertools.count(skip):
                if number == self.count:
                    return
                parts = [
                    part
                    for source, share in zip(sources, next(shares), strict=True)
                    for part in source.take(share)
                ]
                key = [self.seed, epoch, number]
                yield _blended(parts, np.random.default_rng(key).permutation(self.batch_size))
        finally:
            for source in sources:
                source.close()

    def _used(self, batches: int) -> list[int]:
        """Return how many samples of each stream that many batches have."""
        used = np.zeros(len(self.streams), np.int64)
        for shares in itertools.islice(self._shares(), batches):
            used += shares
        return used.tolist()

    def _shares(self) -> Iterator[list[int]]:
        """Yield how many samples of each stream a batch has: over time as the weights say."""
        exact = np.array(self.weights) / sum(self.weights) * self.batch_size
        owed = np.zeros(len(exact))
        while True:
            owed += exact
            shares = np.maximum(np.floor(owed), 0)
            missing = self.batch_size - int(shares.sum())
            order = np.argsort(shares - owed, kind="stable")  # to whom most is owed comes first
            if missing > 0:
                shares[order[:missing]] += 1
            elif missing < 0:
                shares[[i for i in order[::-1] if shares[i]][:-missing]] -= 1
            owed -= shares
            yield shares.astype(int).tolist()


class _Source:
    """Samples of one stream, any number at a time."""

    def __init__(self, stream: Stream, epoch: int, passed: int, meter: Meter) -> None:
        skip, self._at = 0, passed
        for size in stream.sizes(epoch):
            if self._at < size:
                break
            skip, self._at = skip + 1, self._at - size
        self._batches = stream.draw(epoch, skip, meter)
        self._batch: Any = None

    def take(self, wanted: int) -> Iterator[Any]:
        """Yield parts of batches that together have as many samples as `wanted`."""
        while wanted:
            if self._batch is None:
                self._batch = each(np.asarray, next(self._batches))
            at = self._at
            step = min(wanted, samples(self._batch) - at)
            yield each(lambda values, at=at, step=step: values[at : at + step], self._batch)
            wanted, self._at = wanted - step, at + step
            if self._at == samples(self._batch):
                self._batch, self._at = None, 0

    def close(self) -> None:
        """Stop reading."""
        close(self._batches)


def _blended(parts: Sequence[Any], places: Any) -> Any:
    try:
        return each(lambda *values: _scattered(values, places), *parts)
    except ValueError as error:
        raise DataError(
            f"The streams given to mix do not fit together: {error}. Their batches must have the "
            "same arrays, of the same shape and dtype."
        ) from error


def _scattered(values: Sequence[Any], places: Any) -> Any:
    first = values[0]
    for other in values[1:]:
        if (other.shape[1:], other.dtype) != (first.shape[1:], first.dtype):
            raise ValueError(f"{first.dtype} {first.shape[1:]} and {other.dtype} {other.shape[1:]}")
    mixed = np.empty((len(places), *first.shape[1:]), first.dtype)
    at = 0
    for part in values:
        mixed[places[at : at + len(part)]] = part
        at += len(part)
    return mixed


def close(batches: Iterator[Any]) -> None:
    """Stop an iteration, if it is a generator that can be stopped."""
    if isinstance(batches, Generator):
        batches.close()
