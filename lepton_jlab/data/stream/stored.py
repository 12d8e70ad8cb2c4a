"""A dataset as a stream: its arrays, read in windows, given out as batches of NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.schema import ROLES
from lepton_jlab.data.stream.chunks import Chunks
from lepton_jlab.data.stream.device import Decode, Device, device_for
from lepton_jlab.data.stream.memory import SMALL, Plan, make_plan
from lepton_jlab.data.stream.order import Order
from lepton_jlab.data.stream.reading import Reader
from lepton_jlab.data.stream.report import Meter
from lepton_jlab.data.stream.windows import Target
from lepton_jlab.data.tiers import accesses
from lepton_jlab.errors import DataError, UsageError

if TYPE_CHECKING:
    from lepton_jlab.data.column import Column
    from lepton_jlab.data.dataset import Dataset


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
    shared: bool = False  # whether rank and world are those of the process, and not chosen
    decode: Decode = "auto"  # where chunks are decoded

    def __post_init__(self) -> None:
        if self.batch_size < 1:  # the plan of the memory divides by it
            raise UsageError(f"batch_size is {self.batch_size}; it must be 1 or more.")
        self.order  # noqa: B018 - what is wrong is said now and not at the first batch
        if self.decode not in ("auto", "cpu", "gpu"):
            raise UsageError(f"decode is {self.decode!r}; it is 'auto', 'cpu' or 'gpu'.")
        if self.decode == "gpu":
            self._devices  # noqa: B018 - as well

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
        given, before = skip, self._fetched()
        try:
            for arrays in self._reader.draw(epoch, skip, meter):
                given += 1
                yield self.arranged(arrays)
                del arrays  # or their memory could not be used for the next
        finally:
            read = int(self.order.batch_sizes[skip:given].sum())
            stored = next(iter(self.columns.values())).zarr.shape[0]
            hits, asked = (now - was for now, was in zip(self._fetched(), before, strict=True))
            copied = read / stored * hits / max(1, hits + asked)
            accesses.note(self.dataset.path, read / stored - copied, copied)

    def _fetched(self) -> tuple[int, int]:
        """Return how many chunks came from copies so far, and how many from where they are kept."""
        transfers = {id(c.transfer): c.transfer for c in self.chunks.values() if c.transfer}
        found = [(one.hits, one.requests) for one in transfers.values()]
        return sum(hits for hits, _ in found), sum(asked for _, asked in found)

    def arranged(self, arrays: Mapping[str, Any]) -> Any:
        """Return (x, y), (x, y, sample_weight) or x by the roles, else a dict by array name."""
        names = self._names
        if not names:
            return dict(arrays)
        return tuple([arrays[name] for name in names]) if len(names) > 1 else arrays[names[0]]

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """Names of the arrays of a batch in their order; none where it is a dict."""
        roles = self.dataset.roles
        if "x" not in roles:
            return ()
        return tuple(roles[r] for r in ROLES if r in roles and (r == "x" or "y" in roles))

    @cached_property
    def chunks(self) -> Mapping[str, Chunks]:
        """The arrays that are read by chunks; the others are read whole and kept."""
        small = min(SMALL, self.memory // 8 // len(self.columns))
        return {
            name: Chunks(name, column.zarr)
            for name, column in self.columns.items()
            if column.nbytes > small
        }

    @cached_property
    def _devices(self) -> Mapping[str, Device | None]:
        return {name: device_for(chunks, self.decode) for name, chunks in self.chunks.items()}

    @cached_property
    def _plan(self) -> Plan:
        return make_plan(self.columns, self.chunks, self.memory, self.batch_size, self.shuffle)

    @cached_property
    def _reader(self) -> Reader:
        targets = {}
        unit = int(np.diff(self._plan.cuts).max())
        most = min(max(self._plan.window, unit), int(self._plan.cuts[-1]))
        parts = 2 + most // int(self.order.batch_sizes[:-1].min(initial=self.batch_size))
        for name, column in self.columns.items():
            chunks = self.chunks.get(name)
            source = chunks or Chunks(name, column.zarr).read_all(Meter())[column.all_rows]
            device = self._devices.get(name)
            targets[name] = Target(column, source, self.batch_size, most, parts, device)
        return Reader(self.order, targets, self._plan.threads)

    def identity(self) -> dict[str, Any]:
        """Return what the order depends on, JSON-ready."""
        other = ("dataset", "memory", "shared", "decode")
        names = [f.name for f in fields(self) if f.name not in other]
        recipe = {name: getattr(self, name) for name in names}
        return {**self.order.identity(), "split": self.dataset.split_of, **recipe}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))
