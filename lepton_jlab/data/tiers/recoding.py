"""Writes a dataset again with another codec: every value, chunk, name and attribute as it was.

The codecs in the metadata documents are replaced and the chunks written through Zarr; everything
else is copied. So what reads the dataset by its old metadata, a training that has it open, meets
the same chunks in the same files; Blosc's frames say themselves how they were compressed.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.layout import Layout
from lepton_jlab.data.tiers.documents import Change, add_history, compresses, documents
from lepton_jlab.data.writing import Job
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored array that is read by slices of its first axis."""

    array: zarr.Array[Any]
    stored_together: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(samples, …)``."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The stored dtype."""
        return np.dtype(self.array.dtype)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        return np.asarray(self.array[rows])


def begin(source: Path, target: Path, wanted: Sequence[Change], entry: Mapping[str, Any]) -> None:
    """Make the new dataset: all but the chunks of the arrays that change.

    Parameters
    ----------
    entry
        What is added to the dataset's history.
    """
    new = {change.path: change.new for change in wanted}
    known = dict(documents(source))
    for path, document in known.items():
        (target / path).mkdir(exist_ok=True)
        with os.scandir(source / path) as inside:
            for found in inside:
                below = f"{path}/{found.name}" if path else found.name
                if found.name != "zarr.json" and path not in new and below not in known:
                    _copy(Path(found.path), target / below)
        document.pop("consolidated_metadata", None)
        if path in new:
            document["codecs"] = new[path]
        if not path:
            add_history(document, entry)
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (target / path / "zarr.json").write_text(text)


def jobs_of(source: Path, target: Path, wanted: Sequence[Change]) -> list[Job]:
    """Return the arrays that are to be written, with what they get.

    Raises
    ------
    DataError
        If chunks are missing in a dataset that Lepton has written, which writes all of them.
    """
    found = []
    complete = any(_imported(document) for path, document in documents(source) if not path)
    for change in wanted:
        old, new = open_array(source / change.path, "r"), open_array(target / change.path, "r+")
        if complete and (missing := old.nchunks_initialized) < _count(old):
            raise DataError(
                f"{source / change.path} lacks {_count(old) - missing} of its {_count(old)} "
                "chunks: it is damaged, and is not moved. Restore it first."
            )
        shards = old.shards
        layout = Layout(old.chunks[0], shards[0] if shards else None)
        found.append(Job(change.path, Stored(old, layout.together), new, layout))
    return found


def compare(job: Job, advance: Callable[[int], None]) -> None:
    """Read what was written, and compare it with what it was written from, byte by byte.

    Raises
    ------
    DataError
        If they differ.
    """
    written = Stored(job.target, job.layout.together)
    for start, stop in job.blocks():
        old, new = job.values[start:stop], written[start:stop]
        if not _same(old, new):
            raise DataError(
                f"{job.target.store_path} does not hold what was written, samples {start} to "
                f"{stop}: the disk or the dataset changed meanwhile. Nothing was replaced."
            )
        advance(job.bytes_of(stop - start))


def check_lengths(job: Job, change: Change) -> None:
    """Refuse chunks that who has the old dataset open would take for uncompressed ones.

    Raises
    ------
    DataError
        If a compressed chunk is just as long as it was uncompressed.
    """
    if change.old[0]["name"] == "sharding_indexed" or compresses(change.old):
        return
    root: Path = getattr(job.target.store_path.store, "root")  # noqa: B009 - of any store
    where = Path(root, job.target.store_path.path)
    extra = 4 * sum(codec["name"] == "crc32c" for codec in change.old)
    length = int(np.prod(job.target.chunks)) * job.values.dtype.itemsize + extra
    for place, _, files in os.walk(where):
        for name in files:
            if name != "zarr.json" and Path(place, name).stat().st_size == length:
                raise DataError(
                    f"{job.target.store_path} is stored uncompressed, and {name} would be as long "
                    "when it is compressed; whoever reads it now could not tell. Import it anew "
                    "with --codec blosc-zstd, then move it."
                )


def consolidate_as(source: Path, target: Path) -> None:
    """Consolidate the groups that were consolidated."""
    import zarr

    for path, document in documents(source):
        if "consolidated_metadata" in document:
            with warnings.catch_warnings():  # that it is not in the specification
                warnings.simplefilter("ignore")
                zarr.consolidate_metadata(str(target), path=path or None)


def open_array(folder: Path, mode: Any) -> zarr.Array[Any]:
    import zarr

    with warnings.catch_warnings():  # on types and codecs that zarr-python alone can read
        warnings.simplefilter("ignore")
        return zarr.open_array(str(folder), mode=mode)


def _imported(document: Mapping[str, Any]) -> bool:
    schema = document.get("attributes", {}).get("lepton", {})
    entries = schema.get("history", []) if isinstance(schema, dict) else []
    return any(isinstance(one, dict) and one.get("action") == "import" for one in entries)


def _count(array: zarr.Array[Any]) -> int:
    """Return how many files of chunks or shards there can be."""
    cut = array.shards or array.chunks
    return int(np.prod([-(-n // max(1, c)) for n, c in zip(array.shape, cut, strict=True)]))


def _same(old: NDArray[Any], new: NDArray[Any]) -> bool:
    if old.dtype != new.dtype or old.shape != new.shape:
        return False
    if old.dtype.hasobject or old.dtype.kind == "T":
        return bool(old.tolist() == new.tolist())
    return np.ascontiguousarray(old).tobytes() == np.ascontiguousarray(new).tobytes()


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
