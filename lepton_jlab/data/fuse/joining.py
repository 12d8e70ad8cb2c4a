"""Two datasets side by side, by equal keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from lepton_jlab.data.attributes import entry
from lepton_jlab.data.dataset import Dataset, open_dataset
from lepton_jlab.data.fuse.aligning import PROVENANCE, Aligned
from lepton_jlab.data.fuse.writing import names_of, write
from lepton_jlab.errors import DataError, UsageError


def join(
    left: str | os.PathLike[str] | Dataset,
    right: str | os.PathLike[str] | Dataset,
    dest: str | os.PathLike[str],
    *,
    on: str,
    force: bool = False,
) -> Dataset:
    """Put the arrays of two datasets side by side, by equal keys; nothing is copied.

    Parameters
    ----------
    on
        The array of keys, which both have. Samples whose key the other has not are left out; the
        history says how many.

    Raises
    ------
    DataError
        If a key comes twice in `right`, keys have no common type, or none is in both.
    """
    pair = [s if isinstance(s, Dataset) else open_dataset(s) for s in (left, right)]
    names = names_of(pair)
    keys = []
    for name, ds in zip(names, pair, strict=True):
        if on not in ds.arrays or ds.arrays[on].ndim != 1:
            raise UsageError(f"{name} has no array {on!r} of one key a sample.")
        values = ds.arrays[on][:]
        keys.append(values.astype(str) if values.dtype.kind in "TUSO" else values)
    if (keys[0].dtype.kind == "U") != (keys[1].dtype.kind == "U"):
        raise DataError(f"The keys {on!r} are texts in one and numbers in the other.")
    known, first, counts = np.unique(keys[1], return_index=True, return_counts=True)
    if (counts > 1).any():
        twice = known[counts > 1]
        raise DataError(
            f"The key {twice[0]!s} comes {counts.max()} times in {names[1]}, and {len(twice)} keys "
            "come more than once; which sample belongs to it is not clear. Find them with "
            "%lepton data clean --checks schema, and leave them out."
        )
    places = np.minimum(np.searchsorted(known, keys[0]), len(known) - 1)
    matched = known[places] == keys[0]
    if not matched.any():
        raise DataError(f"No key {on!r} is in both {names[0]} and {names[1]}.")
    rows: list[Any] = [np.flatnonzero(matched), first[places[matched]]]
    plan: list[tuple[Aligned, list[int]]] = []
    taken: set[str] = set()
    for number, (name, ds) in enumerate(zip(names, pair, strict=True)):
        for array, column in ds.arrays.items():
            if array in PROVENANCE or (number and array == on):
                continue
            called = array if array not in taken else f"{array}_{Path(name).stem}"
            role = next((r for r, n in ds.roles.items() if n == array), "")
            role = "" if called != array or any(a.role == role for a, _ in plan) else role
            kind = "string" if column.dtype.kind in "TUSO" else column.dtype.name
            attributes = dict(column.zarr.attrs.asdict())
            plan.append(
                (
                    Aligned(called, role, (column,), ((),), column.shape[1:], kind, attributes),
                    [number],
                )
            )
            taken.add(called)
    made = entry(
        "join",
        on=on,
        sources=[ds.path for ds in pair],
        samples=int(matched.sum()),
        left_out=[int((~matched).sum()), int(len(known) - len(np.unique(places[matched])))],
    )
    named = pair[0].classes or pair[1].classes
    return write(dest, pair, names, plan, rows, named, made, force)
