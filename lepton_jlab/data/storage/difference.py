"""What has changed between two versions of a dataset: arrays, samples, attributes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.column import Column
from lepton_jlab.data.storage.checking import ArrayCheck
from lepton_jlab.data.storage.files import is_document
from lepton_jlab.data.storage.place import Place, find_version, place_of
from lepton_jlab.data.storage.record import digests, read_record
from lepton_jlab.data.store import Node, open_node

if TYPE_CHECKING:
    import zarr

    Array = zarr.Array[Any]

NOW = None  # the dataset as it is, where the name of a version could stand
_TOLD = 10  # numbers of changed samples
_BLOCK = 32 << 20  # bytes that are compared at a time


def diff(path: str | os.PathLike[str], old: str, new: str | None = NOW) -> dict[str, Any]:
    """Compare two versions of a dataset; only the chunks that differ are decoded.

    Parameters
    ----------
    path
        The folder of the dataset.
    old
        Name of a version.
    new
        Name of another; None for the dataset as it is now.

    Returns
    -------
    dict
        ``old``, ``new``; ``same``: whether all files are; ``arrays``: a row for each array that
        differs, with ``array``, ``change`` (``"added"``, ``"removed"``, ``"changed"``, or
        ``"stored"`` where only the files differ), ``old_shape``, ``new_shape``, ``files`` (how many
        differ), ``samples_changed``, ``samples_added``, ``samples_removed`` and ``first`` (numbers
        of the first samples that changed); ``attributes``: for each group or array whose attributes
        differ, ``path``, ``added``, ``removed`` and ``changed`` (their names).

    Raises
    ------
    NotFoundError
        If there is no such dataset or version.
    DataError
        If one of them cannot be read.
    """
    place = place_of(path)
    one, other = _Side(place, old), _Side(place, new)
    rows = []
    for name in sorted(one.arrays | other.arrays):
        row = _compare(name, one, other)
        if row is not None:
            rows.append(row)
    return {
        "old": old,
        "new": new,
        "same": one.digests == other.digests,
        "arrays": rows,
        "attributes": list(_attributes(one, other)),
    }


class _Side:
    """One of the two."""

    def __init__(self, place: Place, version: str | None) -> None:
        if version is None:
            self.folder = place.dataset
            self.digests: Mapping[str, str] = digests(place)
        else:
            self.folder = find_version(place, version) / place.dataset.name
            self.digests = read_record(place, version).files
        self.node = open_node(str(self.folder), 0)
        self.nodes = dict(_nodes(self.node, ""))
        self.arrays = {path: n for path, n in self.nodes.items() if not hasattr(n, "arrays")}


def _nodes(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    yield path, node
    prefix = f"{path}/" if path else ""
    for name, array in getattr(node, "arrays", tuple)():
        yield prefix + name, array
    for name, group in getattr(node, "groups", tuple)():
        yield from _nodes(group, prefix + name)


def _compare(name: str, old: _Side, new: _Side) -> dict[str, Any] | None:
    one, other = old.arrays.get(name), new.arrays.get(name)
    row: dict[str, Any] = {
        "array": name,
        "change": "changed",
        "old_shape": None if one is None else list(one.shape),
        "new_shape": None if other is None else list(other.shape),
        "files": _differing(name, old, new),
        "samples_changed": 0,
        "samples_added": 0,
        "samples_removed": 0,
        "first": [],
    }
    if one is None or other is None:
        row["change"] = "added" if one is None else "removed"
        row[f"samples_{row['change']}"] = _length(other if one is None else one)
        return row
    if one.shape[1:] != other.shape[1:] or one.dtype != other.dtype or not one.shape:
        is_same = not row["files"] and one.dtype == other.dtype and one.shape == other.shape
        if is_same:
            return None
        row["samples_changed"] = min(_length(one), _length(other))
        return row
    row["samples_added"] = max(0, _length(other) - _length(one))
    row["samples_removed"] = max(0, _length(one) - _length(other))
    first, second = Column(name, one, None), Column(name, other, None)
    for start, stop in _stretches(name, one, other, old, new):
        changed = start + np.flatnonzero(_unlike(first.read(start, stop), second.read(start, stop)))
        row["samples_changed"] += len(changed)
        row["first"] += changed[: _TOLD - len(row["first"])].tolist()
    if not any(row[f"samples_{what}"] for what in ("changed", "added", "removed")):
        if not row["files"]:
            return None
        row["change"] = "stored"
    return row


def _length(array: Array | None) -> int:
    return int(array.shape[0]) if array is not None and array.shape else 1


def _differing(name: str, old: _Side, new: _Side) -> int:
    """Return how many chunk files of an array differ."""
    prefix = f"{name}/" if name else ""
    keys = {k for k in old.digests.keys() | new.digests.keys() if k.startswith(prefix)}
    return sum(old.digests.get(k) != new.digests.get(k) for k in keys if not is_document(k))


def _stretches(
    name: str, one: Array, other: Array, old: _Side, new: _Side
) -> Iterator[tuple[int, int]]:
    """Yield stretches of samples that may differ."""
    both = min(_length(one), _length(other))
    step = int((one.shards or one.chunks)[0])
    size = max(1, int(np.prod(one.shape[1:], dtype=np.int64)) * one.dtype.itemsize)
    if _cut(one) != _cut(other):  # the same values may be in other files
        length = max(1, _BLOCK // size)
        yield from ((start, min(start + length, both)) for start in range(0, both, length))
        return
    check, last = ArrayCheck(name, one, False), -1
    for key, grid in check.files():
        start = grid[0] * step
        full = check.key(key)
        is_same = old.digests.get(full) == new.digests.get(full)
        if not is_same and start < both and grid[0] != last:
            last = grid[0]
            yield start, min(start + step, both)


def _cut(array: Array) -> list[Any]:
    document = dict(array.metadata.to_dict())
    names = ("chunk_grid", "codecs", "chunk_key_encoding", "fill_value", "chunks", "compressor")
    return [repr(document.get(name)) for name in (*names, "filters", "order")]


def _unlike(one: Any, other: Any) -> Any:
    """Return which samples differ; a NaN is like itself."""
    one, other = np.asarray(one), np.asarray(other)
    unlike = one != other
    if one.dtype.kind in "fc":
        unlike &= ~((one != one) & (other != other))  # which only NaN is not
    return unlike.reshape(len(one), -1).any(axis=1) if one.size else np.zeros(len(one), bool)


def _attributes(old: _Side, new: _Side) -> Iterator[dict[str, Any]]:
    for path in sorted(old.nodes.keys() & new.nodes.keys()):
        one, other = (dict(side.nodes[path].attrs.asdict()) for side in (old, new))
        row = {
            "path": path,
            "added": sorted(other.keys() - one.keys()),
            "removed": sorted(one.keys() - other.keys()),
            "changed": sorted(k for k in one.keys() & other.keys() if one[k] != other[k]),
        }
        if row["added"] or row["removed"] or row["changed"]:
            yield row
