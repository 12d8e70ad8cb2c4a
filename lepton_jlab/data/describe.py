"""What is stored in a dataset: shapes, chunks, codecs, sizes; and which datasets a folder holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.column import dimension_names
from lepton_jlab.data.store import is_zarr
from lepton_jlab.errors import LeptonError

if TYPE_CHECKING:
    import zarr

    from lepton_jlab.data.dataset import Dataset
    from lepton_jlab.data.store import Node


def describe(dataset: Dataset, node: Node) -> dict[str, Any]:
    """Return what `dataset` holds, with the datasets inside it, as a JSON-ready tree.

    Sizes are in bytes; ``ratio`` = original / stored. ``stored_bytes`` and ``ratio`` are None
    where the store cannot tell.
    """
    arrays = [describe_array(name, array) for name, array in dataset._stored.items()]
    groups = {name: dataset[name].info() for name in dataset.groups}
    parts = [*arrays, *groups.values()]
    original = sum(part["original_bytes"] for part in parts)
    stored = [part["stored_bytes"] for part in parts]
    total = None if None in stored else sum(stored)
    return {
        "name": dataset.name,
        "path": dataset.path,
        "zarr_format": node.metadata.zarr_format,
        "samples": len(dataset),
        "roles": dict(dataset.roles),
        "classes": dataset.classes,
        "source": dataset._schema.get("source"),
        "history": dataset._schema.get("history", []),
        "arrays": arrays,
        "groups": groups,
        "original_bytes": original,
        "stored_bytes": total,
        "ratio": _ratio(original, total),
    }


def describe_array(name: str, array: zarr.Array[Any]) -> dict[str, Any]:
    """Return one array as `describe` does."""
    original = int(np.prod(array.shape, dtype=np.int64)) * np.dtype(array.dtype).itemsize
    stored = _stored_bytes(array)
    shards = getattr(array, "shards", None)
    return {
        "name": name,
        "shape": list(array.shape),
        "dims": list(dimension_names(array)),
        "dtype": str(array.dtype),
        "chunks": list(array.chunks),
        "shards": list(shards) if shards else None,
        "codecs": _codecs(array),
        "original_bytes": original,
        "stored_bytes": stored,
        "ratio": _ratio(original, stored),
    }


def _codecs(array: zarr.Array[Any]) -> list[dict[str, Any]]:
    """Return the codecs in the order of encoding, those inside shards where there are shards."""
    meta: dict[str, Any] = dict(array.metadata.to_dict())
    if meta["zarr_format"] == 2:
        listed = [*(meta.get("filters") or ()), *filter(None, [meta.get("compressor")])]
        return [
            {"name": str(c["id"]), "configuration": {k: v for k, v in c.items() if k != "id"}}
            for c in listed
        ]
    codecs: Any = meta["codecs"]
    while codecs and codecs[0]["name"] == "sharding_indexed":
        codecs = codecs[0]["configuration"]["codecs"]
    return [{"name": c["name"], "configuration": dict(c.get("configuration", {}))} for c in codecs]


def _stored_bytes(array: zarr.Array[Any]) -> int | None:
    try:
        return int(array.nbytes_stored())
    except (NotImplementedError, OSError):  # an HTTP server does not list
        return None


def _ratio(original: int, stored: int | None) -> float | None:
    return round(original / stored, 3) if stored else None


def find_datasets(folder: str | os.PathLike[str] = ".", depth: int = 3) -> list[dict[str, Any]]:
    """List the datasets in a folder and the folders below it.

    Parameters
    ----------
    folder
        Where to look; hidden folders are passed over.
    depth
        How many folders down.

    Returns
    -------
    list of dict
        ``name`` (relative to `folder`), ``path``, ``samples`` (of all datasets inside together),
        ``stored_bytes``; and ``error`` for one that cannot be opened, else None.
    """
    root = Path(folder).expanduser().absolute()
    return [_listing(root, path) for path in sorted(_zarr_folders(root, depth))]


def _zarr_folders(folder: Path, depth: int) -> Iterator[Path]:
    if is_zarr(folder):
        yield folder
        return
    if depth == 0 or not folder.is_dir():
        return
    try:
        inside = [e for e in os.scandir(folder) if not e.name.startswith((".", "__"))]
    except PermissionError:
        return
    for entry in inside:
        if entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and entry.is_dir()):
            yield from _zarr_folders(Path(entry.path), 0 if entry.is_symlink() else depth - 1)
        elif entry.name.endswith(".zarr.zip"):
            yield Path(entry.path)


def _listing(root: Path, path: Path) -> dict[str, Any]:
    from lepton_jlab.data.dataset import open_dataset

    name = path.name if path == root else str(path.relative_to(root))
    row: dict[str, Any] = {"name": name, "path": str(path), "samples": None, "error": None}
    row["stored_bytes"] = disk_bytes(path)
    try:
        row["samples"] = _samples(open_dataset(path))
    except LeptonError as error:
        row["error"] = str(error)
    return row


def _samples(dataset: Dataset) -> int:
    return len(dataset) + sum(_samples(dataset[name]) for name in dataset.groups)


def disk_bytes(path: Path) -> int:
    """Return the size of a file, or of all files below a folder, in bytes."""
    if path.is_file():
        return path.stat().st_size
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
