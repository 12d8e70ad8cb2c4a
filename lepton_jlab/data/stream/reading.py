"""Reads epochs: windows are begun ahead of the one given out, also those of the epoch after."""

from __future__ import annotations

import contextlib
import math
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.stream.buffers import aligned
from lepton_jlab.data.stream.report import Meter
from lepton_jlab.data.stream.windows import Filler, Filling, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.stream.order import Order, Window

    Arrays = dict[str, NDArray[Any]]

_AHEAD = 2  # windows that are filled while one is given out


class Reader:
    """Gives out the samples of some arrays in an order.

    Parameters
    ----------
    targets
        Where the samples of each array go, by its name.
    threads
        How many read and decode.
    """

    def __init__(self, order: Order, targets: Mapping[str, Target], threads: int) -> None:
        self._order = order
        self._targets = targets
        self._threads = threads
        self._next: _Epoch | None = None

    def draw(self, number: int, skip: int, meter: Meter) -> Iterator[Arrays]:
        """Yield the batches of an epoch but the first `skip`."""
        epoch, self._next = self._next, None
        if epoch is None or not epoch.is_start_of(number, skip):
            epoch = _Epoch(self._order, self._targets, number, skip)
        meter.include(epoch.meter)
        following = None
        left = len(self._order.batch_sizes) - skip
        with self._threads_for(epoch):
            for batch in epoch.batches():
                left -= 1
                if following is None and epoch.all_begun and self._goes_on(number):
                    following = _Epoch(self._order, self._targets, number + 1, 0)
                    with self._threads_for(following, cancel=False):
                        following.begin(1)
                if not left:  # now, as nobody has to ask for more than the last batch
                    self._next = following
                yield batch
                del batch

    @contextlib.contextmanager
    def _threads_for(self, epoch: _Epoch, cancel: bool = True) -> Iterator[None]:
        """Give threads to an epoch; they end with what they do, or with all that was begun."""
        epoch.pool = ThreadPoolExecutor(self._threads, thread_name_prefix="lepton-read")
        try:
            yield
        finally:  # also when the iteration is left early
            epoch.pool.shutdown(wait=False, cancel_futures=cancel)

    def _goes_on(self, number: int) -> bool:
        """Whether there will be another epoch, to all appearances: then its beginning is read."""
        return self._order.shuffle and number > 0


class _Epoch:
    """One epoch on its way."""

    pool: Executor

    def __init__(self, order: Order, targets: Mapping[str, Target], number: int, skip: int) -> None:
        self.meter = Meter()
        self._order = order
        self._start = (number, skip, os.getpid())
        self._ends = np.cumsum(order.batch_sizes)
        self._passed = int(self._ends[skip - 1]) if skip else 0
        self._filler = Filler(targets, self.meter)
        self._windows = order.windows(number, self._passed)
        self._coming: Window | None = next(self._windows, None)
        self._begun: deque[tuple[Filling, list[int], bool]] = deque()

    @property
    def all_begun(self) -> bool:
        """Whether all windows are being given out or filled."""
        return self._coming is None and not self._begun

    def is_start_of(self, number: int, skip: int) -> bool:
        """Whether it is that epoch from that batch on, and not one of a process before a fork."""
        return self._start == (number, skip, os.getpid())

    def batches(self) -> Iterator[Arrays]:
        """Yield its batches."""
        parts: list[Arrays] = []
        fresh = True
        self.begin(_AHEAD, demanded=True)
        while self._begun:
            filling, lengths, whole = self._begun.popleft()
            self.begin(_AHEAD)
            filling.wait()
            for number, length in enumerate(lengths):
                parts.append(filling.part(number, length))
                if whole or number < len(lengths) - 1:
                    # The first batch is a copy: many keep it to look at, and a view would keep its
                    # whole window.
                    batch = _joined(parts) if fresh or len(parts) > 1 else parts[0]
                    fresh, parts = False, []
                    yield batch
                    del batch
                    self.begin(_AHEAD)
            parts = [_joined(parts)] if parts else []  # a copy, so that the window can be let go
            del filling
            self.begin(_AHEAD, demanded=True)

    def begin(self, most: int, demanded: bool = False) -> None:
        """Begin windows until `most` are under way, as far as there is room."""
        while self._coming is not None and len(self._begun) < most:
            coming, ends = self._coming, self._ends
            low = max(coming.first, self._passed)
            high = min(coming.first + len(coming), int(ends[-1]))
            last = int(np.searchsorted(ends, high))
            inner = ends[np.searchsorted(ends, low, "right") : last]
            lengths = np.diff(np.append(inner, high), prepend=low)
            must = demanded and not self._begun
            filling = self._filler.begin(coming, lengths, low - coming.first, self.pool, must)
            if filling is None:
                return
            self._begun.append((filling, lengths.tolist(), bool(ends[last] == high)))
            self._coming = next(self._windows, None)


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
