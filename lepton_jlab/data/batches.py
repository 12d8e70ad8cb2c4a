"""Batches of a dataset: each sample once an epoch, read by whole chunks, a window ahead."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.order import Order, Window
from lepton_jlab.errors import DataError, MissingDependencyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.column import Column
    from lepton_jlab.data.dataset import Dataset

WINDOW_BYTES = 64 << 20  # decoded; two windows are held, the one given out and the next
SMALL_BYTES = 8 << 20  # an array up to this size, such as the labels, is read once and kept
READ_SAMPLES = 64  # a unit of the order has at least so many samples, however small the chunks

Arrays = dict[str, "NDArray[Any]"]


class Batches:
    """An iterable of batches; each iteration is the next epoch.

    Made by :meth:`Dataset.batches`. ``len()`` is the number of batches in an epoch.

    Attributes
    ----------
    epoch
        Number of the epoch that the next iteration gives; may be set.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        shuffle: bool,
        seed: int,
        rank: int,
        world: int,
        drop_remainder: bool,
    ) -> None:
        self.dataset = dataset
        self.epoch = 0
        self._recipe = (batch_size, shuffle, seed, rank, world, drop_remainder)
        used = dataset.roles.values() if "x" in dataset.roles else dataset.arrays
        self._columns = {name: dataset.arrays[name] for name in used}
        self._kept: Arrays = {}
        self.order = Order(
            _cuts(dataset),
            *(batch_size, shuffle, seed, rank, world, drop_remainder),
            window=_window_samples(self._columns),
        )

    @property
    def batch_size(self) -> int:
        """Samples in a batch that is not cut short."""
        return self.order.batch_size

    def __len__(self) -> int:
        return len(self.order.batch_sizes)

    def __iter__(self) -> Iterator[Any]:
        return self.numpy()

    def numpy(self) -> Iterator[Any]:
        """Yield the batches of the next epoch as NumPy arrays."""
        # A generator: the epoch is taken by the first batch that is drawn, not by iter(), which
        # Keras calls once more than it uses.
        epoch, self.epoch = self.epoch, self.epoch + 1
        sizes = iter(self.order.batch_sizes)
        missing = next(sizes)
        gathered: list[Arrays] = []
        for window, arrays in self._read_ahead(epoch):
            at = 0
            while at < len(window):
                step = min(missing, len(window) - at)
                gathered.append(_take(arrays, window.permutation, at, at + step))
                at, missing = at + step, missing - step
                if missing == 0:
                    yield self._arranged(_joined(gathered))
                    gathered, missing = [], next(sizes, 0)
                    if missing == 0:
                        return

    def to_tf(self) -> Any:
        """Return a ``tf.data.Dataset``; each time it is iterated it gives the next epoch."""
        raise MissingDependencyError("TensorFlow", "cpu")

    def __repr__(self) -> str:
        names = ("batch_size", "shuffle", "seed", "rank", "world", "drop_remainder")
        given = ", ".join(f"{n}={v}" for n, v in zip(names, self._recipe, strict=True))
        return f"<{len(self)} batches of {self.dataset.name}: {given}; next epoch {self.epoch}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return make_batches, (self.dataset, *self._recipe), {"epoch": self.epoch}

    def _read_ahead(self, epoch: int) -> Iterator[tuple[Window, Arrays]]:
        """Yield the windows with their samples; a thread reads one while another is used."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="lepton-read")
        try:
            waiting = None
            for window in self.order.windows(epoch):
                coming = (window, pool.submit(self._read, window))
                if waiting is not None:
                    yield waiting[0], waiting[1].result()
                waiting = coming
            if waiting is not None:
                yield waiting[0], waiting[1].result()
        finally:  # also when the iteration is left early
            pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, window: Window) -> Arrays:
        return {name: self._read_column(column, window) for name, column in self._columns.items()}

    def _read_column(self, column: Column, window: Window) -> NDArray[Any]:
        if column.nbytes > SMALL_BYTES:
            return _concatenated([column.read(start, stop) for start, stop in window.ranges])
        if column.name not in self._kept:
            self._kept[column.name] = column.read(0, len(column))
        whole = self._kept[column.name]
        return _concatenated([whole[start:stop] for start, stop in window.ranges])

    def _arranged(self, arrays: Mapping[str, Any]) -> Any:
        """Return (x, y), (x, y, sample_weight) or x by the roles, else a dict by array name."""
        roles = self.dataset.roles
        if "x" not in roles:
            return dict(arrays)
        if "y" not in roles:
            return arrays[roles["x"]]
        return tuple(arrays[roles[r]] for r in ("x", "y", "sample_weight") if r in roles)


def make_batches(dataset: Dataset, *recipe: Any) -> Batches:
    """Return batches for Keras and TensorFlow where they are installed, else of NumPy arrays."""
    if importlib.util.find_spec("keras") and importlib.util.find_spec("tensorflow"):
        from lepton_jlab.data.tensors import TensorBatches

        return TensorBatches(dataset, *recipe)
    return Batches(dataset, *recipe)


def _cuts(dataset: Dataset) -> NDArray[np.int64]:
    """Return the positions at which the chunks of the largest array begin, and the end."""
    if not dataset.arrays:
        inside = f" Inside: {', '.join(dataset.groups)}; use ds[…]." if dataset.groups else ""
        raise DataError(f"{dataset.path} has no arrays of samples.{inside}")
    largest = max(dataset.arrays.values(), key=lambda column: column.nbytes)
    return largest.cuts(READ_SAMPLES)


def _window_samples(columns: Mapping[str, Column]) -> int:
    per_sample = sum(c.nbytes / max(1, len(c)) for c in columns.values())
    return max(1, int(WINDOW_BYTES / max(1.0, per_sample)))


def _take(arrays: Arrays, order: NDArray[np.int64] | None, start: int, stop: int) -> Arrays:
    rows = slice(start, stop) if order is None else order[start:stop]
    return {name: values[rows] for name, values in arrays.items()}


def _joined(parts: list[Arrays]) -> Arrays:
    return {name: _concatenated([part[name] for part in parts]) for name in parts[0]}


def _concatenated(values: list[NDArray[Any]]) -> NDArray[Any]:
    return values[0] if len(values) == 1 else np.concatenate(values)
