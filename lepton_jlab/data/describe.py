"""What is stored in a dataset: shapes, chunks, codecs, sizes; and which datasets a folder holds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.column import dimension_names
from lepton_jlab.data.elsewhere import elsewhere
from lepton_jlab.data.store import is_url, is_zarr
from lepton_jlab.data.verdict import chunk_bytes, piece_count, verdict
from lepton_jlab.errors import LeptonError

if TYPE_CHECKING:
    import zarr

    from lepton_jlab.data.dataset import Dataset
    from lepton_jlab.data.store import Node


# Names in Zarr v3, in zarr-python's extensions, and in Zarr v2.
CHECKSUMS = {
    name
    for kind in ("crc32c", "crc32", "adler32", "fletcher32", "jenkins_lookup3")
    for name in (kind, f"numcodecs.{kind}")
}
ANY_LENGTH = "TO"  # kinds of texts: their size is not that of references to them
NOT_TOLD = {"bytes", "vlen-utf8", "vlen-bytes"}  # how values become bytes


def describe(dataset: Dataset, node: Node) -> dict[str, Any]:
    """Return what `dataset` holds, with the datasets inside it, as a JSON-ready tree.

    Sizes are in bytes; ``ratio`` = original / stored. ``stored_bytes`` and ``ratio`` are None
    where the store cannot tell. ``place`` is that of `lepton_jlab.data.tiers.overview.figures`,
    ``storage`` that of `lepton_jlab.data.storage.sizes`.
    """
    arrays = [describe_array(name, array) for name, array in dataset._stored.items()]
    groups = {name: dataset[name].info() for name in dataset.groups}
    parts = [*arrays, *groups.values()]
    original = sum(part["original_bytes"] for part in parts)
    stored = [part["stored_bytes"] for part in parts]
    total = None if None in stored else sum(stored)
    from lepton_jlab.data.tiers.overview import figures

    return {
        "name": dataset.name,
        "path": dataset.path,
        "place": None if dataset._inner else figures(dataset.path),
        "zarr_format": node.metadata.zarr_format,
        "samples": len(dataset),
        "roles": dict(dataset.roles),
        "classes": dataset.classes,
        "source": dataset._schema.get("source"),
        "history": dataset._schema.get("history", []),
        "arrays": arrays,
        "groups": groups,
        "storage": storage_of(dataset),
        "original_bytes": original,
        "stored_bytes": total,
        "ratio": _ratio(original, total),
    }


def storage_of(dataset: Dataset) -> dict[str, Any] | None:
    """Return the sizes of a dataset and its versions after each step; None for what has none.

    These are URLs, zip files and datasets inside others.
    """
    from lepton_jlab.data.storage import sizes
    from lepton_jlab.data.storage.place import whole_of

    folder = Path(dataset.path)
    if dataset._inner or is_url(dataset.path) or not is_zarr(folder):
        return None
    folder = folder.resolve()
    return sizes(folder) if whole_of(folder) == folder else None


def describe_array(name: str, array: zarr.Array[Any]) -> dict[str, Any]:
    """Return one array as `describe` does.

    ``chunk_bytes`` is the size of a chunk when decoded, ``chunk_count`` how many there are,
    ``verdict`` what is wrong with them, or None, and ``checksum`` whether a flipped bit is noticed.
    """
    itemsize = np.dtype(array.dtype).itemsize
    original = decoded_bytes(array)
    stored = _stored_bytes(array)
    any_length = np.dtype(array.dtype).kind in ANY_LENGTH
    shards = getattr(array, "shards", None)
    codecs = _codecs(array)
    return {
        "name": name,
        "shape": list(array.shape),
        "dims": list(dimension_names(array)),
        "dtype": str(array.dtype),
        "chunks": list(array.chunks),
        "shards": list(shards) if shards else None,
        "chunk_bytes": chunk_bytes(array.chunks, itemsize),
        "chunk_count": piece_count(array.shape, array.chunks),
        "codecs": codecs,
        "checksum": any(codec["name"] in CHECKSUMS for codec in codecs),
        "verdict": verdict(array.shape, array.chunks, shards, itemsize),
        "original_bytes": original,
        "stored_bytes": stored,
        "ratio": None if any_length else _ratio(original, stored),
    }


def decoded_bytes(array: zarr.Array[Any]) -> int:
    """Return the size of an array's values; of texts, which would have to be read, as stored."""
    dtype = np.dtype(array.dtype)
    if dtype.kind in ANY_LENGTH:
        return _stored_bytes(array) or 0
    return int(np.prod(array.shape, dtype=np.int64)) * dtype.itemsize


def codec_words(codecs: Sequence[Mapping[str, Any]]) -> str:
    """Write codecs as people say them: ``blosc-zstd-bitshuffle + crc32c``."""
    words = []
    for codec in codecs:
        name, how = str(codec["name"]).removeprefix("numcodecs."), codec["configuration"]
        if name == "blosc":
            bits = how.get("shuffle") in ("bitshuffle", 2)  # a word in Zarr v3, a number in v2
            name = f"blosc-{how.get('cname')}{'-bitshuffle' if bits else ''}"
        if name not in NOT_TOLD:
            words.append(name)
    return " + ".join(words) or "none"


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
    return [_listing(name, path) for name, path in find_folders(folder, depth)]


def find_folders(
    folder: str | os.PathLike[str] = ".", depth: int = 3
) -> Iterator[tuple[str, Path]]:
    """Yield the name, relative to `folder`, and the path of each dataset that is found there."""
    root = Path(folder).expanduser().absolute()
    for path in sorted(_zarr_folders(root, depth)):
        yield path.name if path == root else str(path.relative_to(root)), path


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


def _listing(name: str, path: Path) -> dict[str, Any]:
    from lepton_jlab.data.dataset import open_dataset

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
    """Return the size of a file, or of all files of the dataset in a folder, in bytes."""
    if moved := elsewhere(path):
        return moved.nbytes
    if path.is_file():
        return path.stat().st_size
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
