"""A dataset as a stream: its arrays, read in windows, given out as batches of NumPy arrays."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.stream.buffers import aligned
from lepton_jlab.data.stream.chunks import Chunks
from lepton_jlab.data.stream.memory import SMALL, Plan, make_plan
from lepton_jlab.data.stream.order import Order, Window
from lepton_jlab.data.stream.report import Meter
from lepton_jlab.data.stream.windows import Filler, Filling, Target
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.column import Column
    from lepton_jlab.data.dataset import Dataset

    Arrays = dict[str, NDArray[Any]]
    Ints = NDArray[np.int64]

_AHEAD = 2  # windows that are filled while one is given out


@dataclass(frozen=True, eq=False)
class Stored:
    """The batches of a dataset, in an order of its own.

    Raises
    ------
    DataError
        If there are no samples, or too few for the ranks, or too little memory for the chunks.
    UsageError
        If a number is out of its range.
    """

    dataset: Dataset
    batch_size: int
    shuffle: bool
    seed: int
    rank: int
    world: int
    drop_remainder: bool
    memory: int

    def __post_init__(self) -> None:
        self.order  # noqa: B018 - what is wrong is said now and not at the first batch

    @cached_property
    def order(self) -> Order:
        """Which samples make which batch."""
        return Order(
            self._plan.cuts,
            self.batch_size,
            self.shuffle,
            self.seed,
            self.rank,
            self.world,
            self.drop_remainder,
            self._plan.window,
        )

    @property
    def count(self) -> int:
        """Batches in an epoch."""
        return len(self.order.batch_sizes)

    def sizes(self, _epoch: int) -> Iterator[int]:
        """Yield how many samples each batch has."""
        yield from self.order.batch_sizes.tolist()

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """The arrays that are read: those with roles, or all where there is no ``x``."""
        dataset = self.dataset
        if not dataset.arrays:
            inside = f" Inside: {', '.join(dataset.groups)}; use ds[…]." if dataset.groups else ""
            raise DataError(f"{dataset.path} has no arrays of samples.{inside}")
        used = dataset.roles.values() if "x" in dataset.roles else dataset.arrays
        return {name: dataset.arrays[name] for name in used}

    def draw(self, epoch: int, skip: int, meter: Meter) -> Iterator[Any]:
        """Yield the batches of an epoch but the first `skip`, without reading only these."""
        ends = np.cumsum(self.order.batch_sizes)
        passed = int(ends[skip - 1]) if skip else 0
        windows = self.order.windows(epoch, passed)
        pool = ThreadPoolExecutor(self._plan.threads, thread_name_prefix="lepton-read")
        try:
            yield from self._draw(windows, ends, passed, Filler(self._targets, pool, meter))
        finally:  # also when the iteration is left early
            pool.shutdown(wait=False, cancel_futures=True)

    def _draw(
        self, windows: Iterator[Window], ends: Ints, passed: int, filler: Filler
    ) -> Iterator[Any]:
        coming = next(windows, None)
        begun: deque[tuple[Filling, list[int], bool]] = deque()

        def begin(demanded: bool = False) -> None:
            nonlocal coming
            while coming is not None and len(begun) < _AHEAD:
                low = max(coming.first, passed)
                high = min(coming.first + len(coming), int(ends[-1]))
                last = int(np.searchsorted(ends, high))
                inner = ends[np.searchsorted(ends, low, "right") : last]
                lengths = np.diff(np.append(inner, high), prepend=low)
                filling = filler.begin(coming, lengths, low - coming.first, demanded and not begun)
                if filling is None:
                    return
                begun.append((filling, lengths.tolist(), bool(ends[last] == high)))
                coming = next(windows, None)

        parts: list[Arrays] = []
        fresh = True
        begin(demanded=True)
        while begun:
            filling, lengths, whole = begun.popleft()
            begin()
            filling.wait()
            for number, length in enumerate(lengths):
                parts.append(filling.part(number, length))
                if whole or number < len(lengths) - 1:
                    # The first batch is a copy: many keep it to look at, and a view would keep its
                    # whole window.
                    batch = _joined(parts) if fresh or len(parts) > 1 else parts[0]
                    fresh, parts = False, []
                    yield self.arranged(batch)
                    del batch
                    begin()
            parts = [_joined(parts)] if parts else []  # a copy, so that the window can be let go
            del filling
            begin(demanded=True)

    def arranged(self, arrays: Mapping[str, Any]) -> Any:
        """Return (x, y), (x, y, sample_weight) or x by the roles, else a dict by array name."""
        roles = self.dataset.roles
        if "x" not in roles:
            return dict(arrays)
        if "y" not in roles:
            return arrays[roles["x"]]
        return tuple(arrays[roles[r]] for r in ("x", "y", "sample_weight") if r in roles)

    @cached_property
    def chunks(self) -> Mapping[str, Chunks]:
        """The arrays that are read by chunks; the others are read whole and kept."""
        return {
            name: Chunks(name, column.zarr)
            for name, column in self.columns.items()
            if column.nbytes > SMALL
        }

    @cached_property
    def _plan(self) -> Plan:
        return make_plan(self.columns, self.chunks, self.memory, self.batch_size, self.shuffle)

    @cached_property
    def _targets(self) -> Mapping[str, Target]:
        targets = {}
        unit = int(np.diff(self._plan.cuts).max())
        most = min(max(self._plan.window, unit), int(self._plan.cuts[-1]))
        parts = 2 + most // int(self.order.batch_sizes[:-1].min(initial=self.batch_size))
        for name, column in self.columns.items():
            source = self.chunks[name] if name in self.chunks else column.read(0, len(column))
            targets[name] = Target(column, source, self.batch_size, most, parts)
        return targets

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))


def _joined(parts: list[Arrays]) -> Arrays:
    """Return a copy of the parts of one batch, aligned where that is possible."""
    return {name: _concatenated([part[name] for part in parts]) for name in parts[0]}


def _concatenated(values: list[NDArray[Any]]) -> NDArray[Any]:
    first = values[0]
    if first.dtype.kind not in "biufc":
        return np.concatenate(values)
    shape = (sum(map(len, values)), *first.shape[1:])
    out = aligned(math.prod(shape) * first.dtype.itemsize).view(first.dtype).reshape(shape)
    return np.concatenate(values, out=out)
