"""Imports other formats as datasets: finds the format, writes Zarr, says where it came from."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from lepton_jlab import __version__
from lepton_jlab.data import writing
from lepton_jlab.data.dataset import Dataset, open_dataset
from lepton_jlab.data.fingerprint import fingerprint
from lepton_jlab.data.recipe import Plan, Recipe, make_plan, parts_to_write
from lepton_jlab.data.skeleton import create, jobs_of, reopen
from lepton_jlab.data.sources import Loaded, Samples, find_source
from lepton_jlab.data.sources.npz import arrange
from lepton_jlab.data.store import is_url
from lepton_jlab.data.unfinished import Unfinished, check_destination, unfinished
from lepton_jlab.data.writing import consolidate, fill
from lepton_jlab.errors import DataError

LONG = {np.dtype(np.longdouble), np.dtype(np.clongdouble)} - {np.dtype("f8"), np.dtype("c16")}

Progress = Callable[[int, int, str], None]


def import_dataset(
    source: str | os.PathLike[str] | Mapping[str, Any],
    dest: str | os.PathLike[str],
    *,
    codec: str | None = None,
    goal: str | None = None,
    chunk: str | int = "auto",
    shard: str | int = "auto",
    max_error: float | None = None,
    label: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Write `source` as a Zarr v3 dataset and open it.

    Images and labels become ``x`` and ``y``, of a test part those of the dataset ``test`` inside.
    Nothing is seen under the name `dest` before all is written. An import that was killed goes on
    where it stopped when it is started again as it was; Ctrl-C and errors remove what was written,
    except that an error keeps what came from a URL.

    Parameters
    ----------
    source
        ``fashion-mnist``, ``keras:NAME``, the path of an .npz, .npy, IDX, CSV or Parquet file or of
        a folder of images by class; or a Zarr dataset, to write it again with another codec. Or
        arrays by name, as an .npz file has them: ``{"x": …, "y": …, "x_test": …, "classes": …}``.
    dest
        The folder to make, such as ``fashion.zarr``.
    codec
        One of ``none``, ``blosc-lz4``, ``blosc-lz4-bitshuffle``, ``blosc-lz4hc``, ``blosc-zstd``,
        ``blosc-zstd-bitshuffle``, ``blosc-zstd-9``, ``zstd``, ``zstd-19``, ``gzip`` and, which only
        zarr-python reads, ``delta-zstd``. ``"auto"`` tries them on a sample of each array and takes
        the best by `goal`; the history in the dataset's attributes says what it found. None is
        ``blosc-zstd``. A checksum comes with each.
    goal
        What the codec is chosen for: ``"speed"`` of reading for training, ``"size"``, or
        ``"balanced"``, which is what ``codec="auto"`` means without it.
    chunk
        Samples in a chunk, or its size before compression, as ``"1MiB"``; ``"auto"`` is about
        1 MiB and 64 samples or more. A chunk always holds whole samples.
    shard
        Samples or size of files that hold several chunks; ``"none"`` for a file a chunk;
        ``"auto"`` makes shards where there would be more than 10,000 files.
    max_error
        Round floats by this much at most (absolute), so that they compress better. Targets and
        sample weights are not rounded.
    label
        Name of the column (or array) that becomes ``y``.
    force
        Replace a dataset that is there already.
    progress
        Called with (bytes done, bytes in all, what is being done); in all is 0 while unknown.

    Raises
    ------
    NotFoundError
        If there is no such source.
    DataError
        If the source cannot be read, `dest` exists, or another import is writing it.
    UsageError
        If `label` names nothing, or another option is out of its range.
    """
    destination = Path(dest).expanduser().absolute()
    report = progress or _silent
    recipe = Recipe(codec, goal, chunk, shard, max_error)
    recipe.check()
    if is_url(os.fspath(dest)):
        raise DataError(f"{dest} is a URL; import into a local folder, then copy it there.")
    check_destination(destination, force)  # before anything is read
    if isinstance(source, Mapping):
        name, identity = "arrays", uuid4().hex  # what was in memory is not there after a kill
        loaded = arrange({key: np.asarray(values) for key, values in source.items()}, name, label)
    else:
        name = os.fspath(source)
        report(0, 0, f"reading {name}")
        loaded = find_source(name).load(name, label)
        identity = fingerprint(name, loaded)
    _check(loaded, name)
    key = {
        "lepton": __version__,
        "source": identity,
        "label": label,
        "block": writing.BLOCK_BYTES,
        **recipe.to_dict(),
    }
    try:
        with unfinished(destination, force, key, keep=is_url(name)) as into:
            _write(into, loaded, recipe, name, report)
    except KeyboardInterrupt:
        report(0, 0, "interrupted: what was written is removed")
        raise
    _give_back()
    return open_dataset(destination)


def _give_back() -> None:
    """Return to the system what glibc keeps of each thread's freed memory: kernels live long."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _silent(_done: int, _total: int, _text: str) -> None:
    """Report to nobody."""


def _write(into: Unfinished, loaded: Loaded, recipe: Recipe, source: str, report: Progress) -> None:
    parts, rounded = parts_to_write(loaded, recipe)
    if into.resumed:
        report(0, 0, "going on where an import was killed")
        root = reopen(into.folder)
    else:
        plan = make_plan(parts, recipe, lambda text: report(0, 0, text))
        root = create(into.folder, loaded, parts, plan, _entry(loaded, recipe, plan), rounded)
        into.begin()
    jobs = jobs_of(root, loaded, parts)
    total = sum(job.nbytes for job in jobs)
    done = 0

    def advance(size: int) -> None:
        nonlocal done
        done += size
        report(done, total, "writing")

    try:
        fill(jobs, into, advance)
    except DataError as error:
        if is_url(source):
            raise DataError(f"{error} What was read is kept: import again to go on.") from error
        raise
    consolidate(into.folder)


def _entry(loaded: Loaded, recipe: Recipe, plan: Plan) -> dict[str, Any]:
    """Return what the history says of this import."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"action": "import", "time": now, "lepton": __version__, **loaded.notes}
    if loaded.forms:  # a dataset's own source is what it says, this is where it was
        entry["from"] = loaded.origin
    if recipe.max_error is not None:
        entry["max_error"] = recipe.max_error
    if plan.trials:
        entry["codec_trial"] = {path: trial.to_dict() for path, trial in plan.trials.items()}
    return entry


def _check(loaded: Loaded, name: str) -> None:
    """Refuse arrays that do not make a dataset, before anything is written."""
    groups = set(loaded.forms)  # a group of datasets has no samples of its own
    if not any(loaded.parts.values()) or not all(
        arrays or part in groups for part, arrays in loaded.parts.items()
    ):
        raise DataError(f"{name} holds no arrays.")
    for part, arrays in loaded.parts.items():
        if arrays:
            _check_part(f"{name} ({part})" if part else name, arrays)


def _check_part(where: str, arrays: Mapping[str, Samples]) -> None:
    for array, values in arrays.items():
        if not values.shape:
            raise DataError(f"{where}: {array!r} is a single value, not an array of samples.")
        if values.dtype.kind not in "biufcUSTmM" or values.dtype in LONG:
            raise DataError(
                f"{where}: {array!r} has the type {values.dtype}, which is not written."
            )
    counts = {array: values.shape[0] for array, values in arrays.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{array} {count}" for array, count in counts.items())
        raise DataError(f"{where}: the arrays differ in their number of samples: {listed}.")
    if not next(iter(counts.values())):
        raise DataError(f"{where} has no samples.")
