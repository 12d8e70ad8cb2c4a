"""The document of a dataset that is read from others."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.dataset import Dataset, open_dataset
from lepton_jlab.data.fuse.aligning import PROVENANCE, Aligned
from lepton_jlab.data.fuse.rows import packed
from lepton_jlab.data.fuse.store import VERSION
from lepton_jlab.data.store import is_url
from lepton_jlab.data.unfinished import unfinished
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

CHUNK_BYTES = 1 << 20


def names_of(datasets: Sequence[Dataset]) -> list[str]:
    """Return a name for each dataset, by which it can be told from the others."""
    names = [ds.name for ds in datasets]
    if len(set(names)) < len(names):
        names = ["/".join(ds.path.split("/")[-2:]) for ds in datasets]
    return [n if names.count(n) == 1 else f"{n} {i + 1}" for i, n in enumerate(names)]


def write(
    dest: str | os.PathLike[str],
    datasets: Sequence[Dataset],
    names: Sequence[str],
    plan: Sequence[tuple[Aligned, list[int]]],
    rows: Sequence[Ints | None],
    classes: Sequence[str] | None,
    made: Mapping[str, Any],
    force: bool,
) -> Dataset:
    destination = Path(dest).expanduser().absolute()
    if is_url(os.fspath(dest)):
        raise DataError(f"{dest} is a URL; fuse into a local folder.")
    counts = [len(ds) if own is None else len(own) for ds, own in zip(datasets, rows, strict=True)]
    joined = len(plan[0][1]) == 1
    total = counts[0] if joined else sum(counts)
    if not total:
        raise DataError("No sample is left to be fused.")
    sources = [
        {
            "name": name,
            "path": ds.path,
            "relative": "" if is_url(ds.path) else os.path.relpath(ds.path, destination.parent),
            **_stored_rows(ds, own),
        }
        for name, ds, own in zip(names, datasets, rows, strict=True)
    ]
    arrays = {a.name: _array(a, which, total) for a, which in plan}
    if not joined:
        chunk = max(one["chunk"] for one in arrays.values())
        for what, kind in zip(PROVENANCE, ("uint16", "int64"), strict=True):
            arrays[what] = {
                "shape": [total],
                "dtype": kind,
                "chunk": min(total, max(chunk, 1 << 15)),
                "dims": ["sample"],
                "attributes": {},
                "pieces": [
                    {"source": n, "array": None, "what": what, "steps": []}
                    for n in range(len(datasets))
                ],
            }
    schema: dict[str, Any] = {
        "source": ", ".join(names),
        "roles": {a.role: a.name for a, _ in plan if a.role},
        "history": [made],
        "fused": {"version": VERSION, "sources": sources, "arrays": arrays},
    }
    if classes:
        schema["classes"] = list(classes)
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"lepton": schema}}
    with unfinished(destination, force, {"fuse": uuid.uuid4().hex}) as into:
        if any(Path(ds._where) == destination for ds in datasets):
            raise DataError(f"{destination} is one of the sources; choose another name.")
        (into.folder / "zarr.json").write_text(json.dumps(document, separators=(",", ":")))
    return open_dataset(destination)


def _stored_rows(dataset: Dataset, rows: Ints | None) -> dict[str, Any]:
    """Return which of the stored samples are meant, and how many there are."""
    column = next(iter(dataset.arrays.values()))
    stored = int(column.zarr.shape[0])
    if rows is None and not dataset._parts:
        return {"samples": stored, "rows": None}
    places = np.arange(len(dataset)) if rows is None else rows
    return {"samples": stored, "rows": packed(column.rows(places))}


def _array(aligned: Aligned, which: Sequence[int], total: int) -> dict[str, Any]:
    largest = max(aligned.columns, key=lambda column: len(column))
    size = max(1, int(np.prod(aligned.shape, dtype=np.int64)))
    size *= 64 if aligned.dtype == "string" else np.dtype(aligned.dtype).itemsize
    stored = int(largest.zarr.chunks[0]) or 1
    chunk = stored if stored * size >= CHUNK_BYTES // 4 else max(1, CHUNK_BYTES // size)
    dims = [name or f"{aligned.name}_{i}" for i, name in enumerate(largest.dims)]
    dims = dims if len(dims) == 1 + len(aligned.shape) else ["sample", *map(str, aligned.shape)]
    return {
        "shape": [total, *aligned.shape],
        "dtype": aligned.dtype,
        "chunk": min(chunk, total),
        "dims": ["sample", *dims[1:]],
        "attributes": aligned.attributes,
        "pieces": [
            {
                "source": source,
                "array": aligned.columns[place].name,
                "steps": aligned.documents(place),
            }
            for place, source in enumerate(which)
        ],
    }
