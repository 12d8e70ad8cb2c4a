"""Writes a dataset again with another codec: every value, chunk, name and attribute as it was.

The codecs in the metadata documents are replaced and the chunks written through Zarr; everything
else is copied. So what reads the dataset by its old metadata, a training that has it open, meets
the same chunks in the same files; Blosc's frames say themselves how they were compressed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.layout import Layout
from lepton_jlab.data.tiers.documents import Change, add_history, compresses
from lepton_jlab.data.tiers.homes import Home
from lepton_jlab.data.unfinished import Unfinished
from lepton_jlab.data.writing import Job
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

_COPIERS = 8  # files on their way


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


def begin(source: Home, target: Home, wanted: Sequence[Change], entry: Mapping[str, Any]) -> None:
    """Write the metadata documents of the new dataset.

    Parameters
    ----------
    entry
        What is added to the dataset's history.
    """
    new = {change.path: change.new for change in wanted}
    for path, document in source.documents():
        document.pop("consolidated_metadata", None)
        if path in new:
            document["codecs"] = new[path]
        if not path:
            add_history(document, entry)
        target.write(f"{path}/zarr.json".lstrip("/"), _text(document))


def copies_of(source: Home, wanted: Sequence[Change]) -> dict[str, int]:
    """Return the files that the new dataset has as the old one has them, with their bytes."""
    documents = {f"{path}/zarr.json".lstrip("/") for path, _ in source.documents()}
    changed = tuple(f"{change.path}/" if change.path else "" for change in wanted)
    return {
        key: size
        for key, size in source.sizes().items()
        if key not in documents and not key.startswith(changed)
    }


def copy(
    keys: Mapping[str, int],
    source: Home,
    target: Home,
    into: Unfinished,
    advance: Callable[[int], None],
) -> None:
    """Copy files that were not copied before; several at a time."""

    def take(key: str) -> None:
        if not into.is_done(key, 0):
            target.take(key, source)

    with ThreadPoolExecutor(_COPIERS, thread_name_prefix="lepton-copy") as pool:
        for key, _ in zip(keys, pool.map(take, keys), strict=True):
            if not into.is_done(key, 0):
                into.done(key, 0)
            advance(keys[key])


def compare_copies(
    keys: Mapping[str, int], source: Home, target: Home, advance: Callable[[int], None]
) -> None:
    """Read what was copied, and compare it with what it was copied from.

    Raises
    ------
    DataError
        If they differ.
    """

    def same(key: str) -> bool:
        return source.read(key) == target.read(key)

    with ThreadPoolExecutor(_COPIERS, thread_name_prefix="lepton-compare") as pool:
        for key, is_same in zip(keys, pool.map(same, keys), strict=True):
            if not is_same:
                raise DataError(
                    f"{target}/{key} does not hold what was written: the disk or the dataset "
                    "changed meanwhile. Nothing was replaced."
                )
            advance(keys[key])


def jobs_of(source: Home, target: Home, wanted: Sequence[Change]) -> list[Job]:
    """Return the arrays that are to be written, with what they get.

    Raises
    ------
    DataError
        If chunks are missing in a dataset that Lepton has written, which writes all of them.
    """
    found = []
    complete = any(_imported(document) for path, document in source.documents() if not path)
    for change in wanted:
        old, new = source.array(change.path, "r"), target.array(change.path, "r+")
        if complete and (missing := old.nchunks_initialized) < _count(old):
            raise DataError(
                f"{source}/{change.path} lacks {_count(old) - missing} of its {_count(old)} "
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
        wrong = DataError(
            f"{job.target.store_path} does not hold what was written, samples {start} to {stop}: "
            "the disk or the dataset changed meanwhile. Nothing was replaced."
        )
        old = job.values[start:stop]
        try:
            new = written[start:stop]
        except (ValueError, RuntimeError) as error:  # what codecs say of other bytes
            raise wrong from error
        if not _same(old, new):
            raise wrong
        advance(job.bytes_of(stop - start))


def check_lengths(target: Home, job: Job, change: Change) -> None:
    """Refuse chunks that who has the old dataset open would take for uncompressed ones.

    Raises
    ------
    DataError
        If a compressed chunk is just as long as it was uncompressed.
    """
    if change.old[0]["name"] == "sharding_indexed" or compresses(change.old):
        return
    within = f"{change.path}/" if change.path else ""
    extra = 4 * sum(codec["name"] == "crc32c" for codec in change.old)
    length = int(np.prod(job.target.chunks)) * job.values.dtype.itemsize + extra
    for key, size in target.sizes().items():
        if size == length and key.startswith(within) and not key.endswith("zarr.json"):
            raise DataError(
                f"{job.target.store_path} is stored uncompressed, and {key} would be as long "
                "when it is compressed; whoever reads it now could not tell. Import it anew "
                "with --codec blosc-zstd, then move it."
            )


def consolidate_as(source: Home, target: Home) -> None:
    """Consolidate the groups that were consolidated."""
    for path, document in source.documents():
        if "consolidated_metadata" in document:
            target.consolidate(path)


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


def _text(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode()
