"""Writes a dataset made from others: cut into chunks of its own, by many at a time, in one step."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.dataset import Dataset, open_dataset
from lepton_jlab.data.parallel import Parallel, Progress, silent, threaded
from lepton_jlab.data.recipe import Recipe as Writing
from lepton_jlab.data.recipe import make_plan
from lepton_jlab.data.skeleton import create, jobs_of
from lepton_jlab.data.sources import Loaded, PartForm, Samples
from lepton_jlab.data.sources.zarr_dataset import StoredSamples, form_of
from lepton_jlab.data.store import address
from lepton_jlab.data.unfinished import check_destination, unfinished
from lepton_jlab.data.writing import consolidate, write_block
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.column import Column
    from lepton_jlab.data.writing import Job

OF_THE_STATE = ("statistics", "fused")  # what a schema says of samples as they were


def derive(
    dest: str | os.PathLike[str],
    parts: Mapping[str, Dataset],
    entry: Mapping[str, Any],
    *,
    replaced: Mapping[str, Mapping[str, NDArray[Any]]] | None = None,
    schema: Mapping[str, Any] | None = None,
    force: bool = False,
    parallel: Parallel = threaded,
    progress: Progress | None = None,
) -> Dataset:
    """Write datasets, each with what its recipe makes of it, as one.

    Nothing is seen under the name `dest` before all is written; Ctrl-C and errors leave nothing.

    Parameters
    ----------
    dest
        The folder to make.
    parts
        By their place: ``""`` is the dataset itself, ``"test"`` one inside it.
    entry
        What the history says of this.
    replaced
        Arrays that take the place of stored ones, or join them, by part and name.
    schema
        Entries that take the place of those in the dataset's own, such as ``classes``.
    force
        Replace a dataset that is there, but none that is read for this.

    Raises
    ------
    DataError
        If there is nothing to write, or `dest` cannot be written.
    """
    destination = Path(dest).expanduser().absolute()
    report = progress or silent
    check_destination(destination, force)
    if any(address(destination) == part._where for part in parts.values()):
        raise DataError(f"{destination} is read for this: it stays as it is; choose another name.")
    if not any(len(part) for part in parts.values()):
        raise DataError(f"No sample is left to be written to {destination.name}.")
    loaded = _loaded(parts, replaced or {}, schema or {})
    with unfinished(destination, force, {"derive": uuid.uuid4().hex}) as into:
        plan = make_plan(dict(loaded.parts), Writing(), lambda _text: None)  # type: ignore[arg-type]
        root = create(into.folder, loaded, dict(loaded.parts), plan, entry, frozenset())  # type: ignore[arg-type]
        into.begin()
        blocks = [
            _Block(job, start, stop)
            for job in jobs_of(root, loaded, dict(loaded.parts))  # type: ignore[arg-type]
            for start, stop in job.blocks()
        ]
        total, done = sum(block.nbytes for block in blocks), 0
        for block, _ in zip(blocks, parallel(_write, blocks), strict=True):
            done += block.nbytes
            report(done, total, f"writing {destination.name}")
        consolidate(into.folder)
    return open_dataset(destination)


@dataclass(frozen=True, slots=True)
class PreparedSamples:
    """A stored array as its dataset's recipe makes it, read by slices of its first axis."""

    column: Column
    prepare: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def stored_together(self) -> int:
        """Samples in a stored chunk."""
        return int(self.column.zarr.chunks[0]) or 1

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        made: NDArray[Any] = np.asarray(self.prepare(self.column[rows]))
        return made


def _loaded(
    parts: Mapping[str, Dataset],
    replaced: Mapping[str, Mapping[str, NDArray[Any]]],
    changed: Mapping[str, Any],
) -> Loaded:
    arrays: dict[str, dict[str, Samples]] = {}
    forms: dict[str, PartForm] = {}
    for place, dataset in parts.items():
        form = form_of(dataset)
        schema = {k: v for k, v in form.attributes["lepton"].items() if k not in OF_THE_STATE}
        schema |= {} if place else changed
        arrays[place] = {name: _samples(dataset, name) for name in dataset.arrays}
        arrays[place].update(replaced.get(place, {}))
        same = {
            name: form.arrays[name]
            for name, values in dataset.arrays.items()
            if arrays[place][name].shape[1:] == values.shape[1:]
        }
        forms[place] = PartForm({**form.attributes, "lepton": schema}, same, form.others)
    first = next(iter(parts.values()))
    return Loaded(arrays, first.path, first.classes, forms=forms)


def _samples(dataset: Dataset, name: str) -> Samples:
    column = dataset.arrays[name]
    roles = {array: role for role, array in dataset.roles.items()} if dataset.roles else {}
    known = roles.get(name, name)
    if not dataset.recipe.steps.get(known):
        return StoredSamples(column)
    prepare = partial(dataset.recipe.array, known)
    probe = np.asarray(prepare(column[:1]))
    return PreparedSamples(column, prepare, (len(column), *probe.shape[1:]), probe.dtype)


@dataclass(frozen=True, slots=True)
class _Block:
    job: Job
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        return self.job.bytes_of(self.stop - self.start)


def _write(block: _Block) -> None:
    values = np.ascontiguousarray(block.job.values[block.start : block.stop])
    write_block(block.job.target, block.start, values)
