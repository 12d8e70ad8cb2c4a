"""Fills windows: each sample of each chunk is written to the place where its batch has it."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.stream.buffers import Buffers, aligned
from lepton_jlab.data.stream.chunks import is_raw
from lepton_jlab.data.stream.memory import WINDOWS, rows_aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.column import Column
    from lepton_jlab.data.stream.chunks import Chunks
    from lepton_jlab.data.stream.device import Device
    from lepton_jlab.data.stream.order import Window
    from lepton_jlab.data.stream.report import Meter

    Ints = NDArray[np.int64]

_TASK_BYTES = 256 << 10  # decoded, at least, by one task: handing one over takes a while


class Filling:
    """A window on its way.

    Parameters
    ----------
    parts
        For each array its name, its samples, and the row at which each part of a batch begins.
    tasks
        What fills it.
    """

    def __init__(
        self, parts: Sequence[tuple[str, NDArray[Any], list[int]]], tasks: Sequence[_Task]
    ) -> None:
        self._parts = parts
        self._tasks = tasks
        self._left = len(tasks)
        self._lock = threading.Lock()
        self._done = threading.Event()  # one wake-up a window: of each task it would cost much
        self._error: BaseException | None = None

    def start(self, pool: Executor) -> None:
        """Hand the tasks to threads."""
        for task in self._tasks:
            pool.submit(self._do, task)

    def wait(self) -> None:
        """Return when it is filled.

        Raises
        ------
        DataError
            If a chunk cannot be read.
        """
        self._done.wait()
        if self._error is not None:
            raise self._error

    def part(self, number: int, length: int) -> dict[str, NDArray[Any]]:
        """Return the rows of one part of the window, by name of the array."""
        return {
            name: values[starts[number] : starts[number] + length]
            for name, values, starts in self._parts
        }

    def _do(self, task: _Task) -> None:
        try:
            if self._error is None:
                task.do()
        except BaseException as error:  # noqa: BLE001 - raised where the window is waited for
            self._error = error
            self._done.set()
        with self._lock:
            self._left -= 1
            if not self._left:
                self._done.set()


class Target:
    """Where the samples of one array are written: buffers, and how rows lie in them.

    Parameters
    ----------
    source
        The chunks of the column, or its samples.
    most
        Samples of the longest window.
    parts
        The most batches that it has parts of.
    device
        What decodes the chunks on a GPU.
    """

    def __init__(
        self,
        column: Column,
        source: Chunks | NDArray[Any],
        batch_size: int,
        most: int,
        parts: int,
        device: Device | None = None,
    ) -> None:
        self.column = column
        self.source = source
        self.device = device
        self.tail = column.shape[1:]
        self.dtype = source.dtype
        self.row_bytes = math.prod(self.tail) * self.dtype.itemsize
        self.raw = is_raw(self.dtype) and self.row_bytes > 0
        self.pad = rows_aligned(self.row_bytes, batch_size) if self.raw else 1
        self._rows = most + parts * (self.pad - 1)
        self._buffers = Buffers(self._rows * self.row_bytes, WINDOWS) if self.raw else None
        self._scratch: deque[NDArray[Any]] = deque()

    def memory(self, demanded: bool) -> NDArray[Any] | None:
        """Return room for a window, shape ``(rows, …)``, or None where all is in use."""
        if self._buffers is None:
            return np.empty((self._rows, *self.tail), self.dtype)
        buffer = self._buffers.take(demanded)
        return None if buffer is None else buffer.view(self.dtype).reshape(-1, *self.tail)

    @contextlib.contextmanager
    def scratch(self, shape: tuple[int, ...]) -> Iterator[NDArray[Any]]:
        """Give room for one chunk, the same again and again."""
        try:
            room = self._scratch.pop()
        except IndexError:
            nbytes = math.prod(shape) * self.dtype.itemsize
            room = aligned(nbytes).view(self.dtype).reshape(shape)
        yield room
        self._scratch.append(room)


class Filler:
    """Begins windows: cuts the work into tasks and hands them to threads."""

    def __init__(self, targets: Mapping[str, Target], meter: Meter) -> None:
        self._targets = targets
        self._meter = meter

    def begin(
        self, window: Window, lengths: Ints, skip: int, pool: Executor, demanded: bool
    ) -> Filling | None:
        """Start to fill a window; None where there is no room for it yet.

        Parameters
        ----------
        lengths
            Of the parts of batches that the window consists of, in its order.
        skip
            How many of its first samples are not wanted; nor are those behind the last part.
        pool
            What does it.
        demanded
            Make room in any case.
        """
        arrays = {name: target.memory(demanded) for name, target in self._targets.items()}
        if any(memory is None for memory in arrays.values()):
            return None
        wanted = np.s_[skip : skip + int(lengths.sum())]
        order = window.permutation
        positions = window.positions
        if order is None:
            positions, order = positions[wanted], np.arange(wanted.stop - skip)
        else:
            order = order - skip
            if skip or wanted.stop < len(window):
                used = (order >= 0) & (order < wanted.stop - skip)
                positions, order = positions[used], order[used]
        layouts = {t.pad: _layout(lengths, t.pad) for t in self._targets.values()}
        tasks: list[_Task] = []
        parts = []
        for name, target in self._targets.items():
            starts, places = layouts[target.pad]
            out = arrays[name]
            assert out is not None
            parts.append((name, out, starts.tolist()))
            tasks += self._tasks(target, out, positions, order if places is None else places[order])
        filling = Filling(parts, tasks)
        filling.start(pool)
        return filling

    def _tasks(
        self, target: Target, out: NDArray[Any], positions: Ints, at: Ints
    ) -> Iterator[_Task]:
        source = target.source
        if isinstance(source, np.ndarray):
            yield _Task(target, out, self._meter, [(0, positions, at)])
            return
        rows = target.column.rows(positions)
        least = _TASK_BYTES if source.width is None else 1
        if target.device is not None and target.device.used:
            least = target.device.group * source.nbytes
        runs: list[tuple[int, Ints, Ints]] = []
        held = 0
        for run in _runs(rows, at, source.length):
            runs.append(run)
            held += source.nbytes
            if held >= least:
                yield _Task(target, out, self._meter, runs)
                runs, held = [], 0
        if runs:
            yield _Task(target, out, self._meter, runs)


@dataclass(frozen=True, slots=True)
class _Task:
    """Some chunks to be read, and where their samples go."""

    target: Target
    out: NDArray[Any]
    meter: Meter
    runs: list[tuple[int, Ints, Ints]]  # number of the chunk, rows in it, rows of `out`

    def do(self) -> None:
        """Read the chunks and write their samples."""
        device = self.target.device
        if device is not None and device.used:
            with device.load([number for number, *_ in self.runs], self.meter) as chunks:
                if chunks is not None:
                    for (_, rows, at), values in zip(self.runs, chunks, strict=True):
                        self._put(_chosen(values, rows), at)
                    return
        source = self.target.source
        for number, rows, at in self.runs:
            if isinstance(source, np.ndarray):
                self._put(source[rows], at)
            elif not source.raw:
                self._put(_chosen(source.read(number, self.meter), rows), at)
            else:
                straight = _stretch(at) if len(rows) == source.length else None
                if straight is not None:
                    source.load(number, self.out[straight], self.meter)
                    continue
                with self.target.scratch((source.length, *self.target.tail)) as values:
                    source.load(number, values, self.meter)
                    self._put(_chosen(values, rows), at)

    def _put(self, values: NDArray[Any], at: Ints) -> None:
        start = time.perf_counter()
        to = _stretch(at)
        if to is not None:
            self.out[to] = values
        elif self.target.raw:
            # A row as one item: this copies each at once, and without the GIL. The mode "raise"
            # would copy all of `out` first.
            row = np.dtype((np.void, self.target.row_bytes))
            np.put(_as_items(self.out, row), at, _as_items(values, row), mode="clip")
        else:
            self.out[at] = values
        self.meter.add(gather=time.perf_counter() - start)


def _chosen(values: NDArray[Any], rows: Ints) -> NDArray[Any]:
    """Return these rows, which ascend: a view where none is left out."""
    first, last = int(rows[0]), int(rows[-1])
    return values[first : last + 1] if last - first == len(rows) - 1 else values[rows]


def _as_items(values: NDArray[Any], item: np.dtype[Any]) -> NDArray[Any]:
    flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    return flat.view(item)


def _stretch(numbers: Ints) -> slice | None:
    """Return consecutive numbers as a slice."""
    first = int(numbers[0])
    if int(numbers[-1]) - first != len(numbers) - 1 or not (np.diff(numbers) == 1).all():
        return None
    return slice(first, first + len(numbers))


def _runs(rows: Ints, at: Ints, length: int) -> Iterable[tuple[int, Ints, Ints]]:
    """Yield each chunk once, with the rows in it that are wanted, ascending, and where they go."""
    if not len(rows):
        return
    numbers = rows // length
    begins = _begins(numbers)
    if len(np.unique(numbers[begins])) < len(begins):  # an array cut otherwise than the units
        order = np.argsort(rows, kind="stable")
        rows, at, numbers = rows[order], at[order], numbers[order]
        begins = _begins(numbers)
    ends = np.append(begins[1:], len(rows))
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        number = int(numbers[begin])
        yield number, rows[begin:end] - number * length, at[begin:end]


def _begins(numbers: Ints) -> Ints:
    return np.append(0, np.flatnonzero(np.diff(numbers)) + 1)


def _layout(lengths: Ints, pad: int) -> tuple[Ints, Ints | None]:
    """Return where each part begins, and the row of each sample if it is not its number."""
    padded = -(-lengths // pad) * pad
    starts = np.cumsum(padded) - padded
    if np.array_equal(padded[:-1], lengths[:-1]):
        return starts, None
    before = np.cumsum(lengths) - lengths
    return starts, np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
