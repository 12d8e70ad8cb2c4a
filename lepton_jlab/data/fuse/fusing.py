"""Several datasets as one: counted, brought into one form, without copies."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lepton_jlab.data.attributes import entry
from lepton_jlab.data.dataset import Dataset, open_dataset
from lepton_jlab.data.fuse.aligning import align, map_classes
from lepton_jlab.data.fuse.equals import (
    POLICIES,
    Policy,
    differing,
    digests_of,
    groups_of,
    labels_of,
    repeats,
    resolved,
)
from lepton_jlab.data.fuse.fusion import Fusion
from lepton_jlab.data.fuse.writing import names_of, write
from lepton_jlab.data.parallel import Parallel, Progress, silent, threaded
from lepton_jlab.errors import DataError, UsageError


def fuse(
    sources: Sequence[str | os.PathLike[str] | Dataset],
    dest: str | os.PathLike[str],
    *,
    classes: Mapping[str, Any] | None = None,
    dedup: bool = False,
    conflicts: Policy = "first",
    force: bool = False,
    parallel: Parallel = threaded,
    progress: Progress | None = None,
) -> Fusion:
    """Make the union of datasets, without copying them.

    The result refers to its sources: it is read from them, chunk by chunk, and takes a few
    kilobytes. It has the arrays that all of them have, in the form of the first, and ``source``
    and ``source_index``, which say of each sample where it is from. ``.save()`` makes a copy.

    Parameters
    ----------
    sources
        Paths or open datasets, two or more; splits and other views too.
    dest
        The folder to make.
    classes
        New names of classes by old ones, for all sources or by the name of a source:
        ``{"sneaker": "shoe", "old.zarr": {"misc": None}}``; None leaves the class out.
    dedup
        Leave out samples that an earlier source has. They are counted in any case.
    conflicts
        Which of equal samples with different labels stays where they are left out: that of the
        ``"first"`` or ``"last"`` source, one with the label of the ``"majority"``, none
        (``"drop"``), all (``"keep"``); or ``"error"``.
    force
        Replace a dataset that is there.

    Raises
    ------
    UsageError
        If the classes, the policy or the number of sources make no sense.
    DataError
        If the sources do not fit together, or `dest` cannot be written.
    """
    if len(sources) < 2:
        raise UsageError("Fusing takes two datasets or more.")
    if conflicts not in POLICIES:
        raise UsageError(f"There is no policy {conflicts!r}: {', '.join(POLICIES)}.")
    report = progress or silent
    datasets = [s if isinstance(s, Dataset) else open_dataset(s) for s in sources]
    names = names_of(datasets)
    named, tables, lookups = map_classes(datasets, names, classes)
    aligned, notes = align(datasets, names, lookups)
    seen = digests_of(datasets, aligned, parallel, report)
    labels = labels_of(aligned)
    kept = [np.ones(len(ds), np.bool_) for ds in datasets]
    for number, lookup in enumerate(lookups):
        if lookup is not None and min(lookup.table, default=0) < 0:
            own = np.asarray(datasets[number].y).reshape(-1).astype(np.int64)
            kept[number] = np.asarray(lookup.table)[own] >= 0
    left_out = [int((~some).sum()) for some in kept]
    groups = groups_of(seen, kept)
    doubled = repeats(groups, kept)
    unlike = differing(groups, labels, kept, named)
    if unlike and conflicts == "error":
        one = unlike[0]
        raise DataError(
            f"{len(unlike)} samples have different labels in different sources, as "
            f"{one['index']} of {names[one['source']]} and {one['other_index']} of "
            f"{names[one['other_source']]}. Choose what stays: --conflicts first, last, …"
        )
    told_of = [
        {
            "name": name,
            "path": ds.path,
            "samples": len(ds),
            "duplicates": int(doubled[number].sum()),
            "left_out": left_out[number],
            "classes": tables[number],
        }
        for number, (name, ds) in enumerate(zip(names, datasets, strict=True))
    ]
    for one in unlike:
        one["source"], one["other_source"] = names[one["source"]], names[one["other_source"]]
    total = sum(int(some.sum()) for some in kept)
    overlap = sum(int(own.sum()) for own in doubled)
    if dedup:
        kept = resolved(groups, labels, kept, doubled, conflicts)
    for one, some in zip(told_of, kept, strict=True):
        one["kept"] = int(some.sum())
    made = entry(
        "fuse",
        sources=[{k: one[k] for k in ("name", "path", "samples", "kept")} for one in told_of],
        overlap=overlap,
        union=total - overlap,
        conflicts=len(unlike),
        **({"dedup": conflicts} if dedup else {}),
    )
    plan = [(a, list(range(len(datasets)))) for a in aligned]
    rows = [None if some.all() else np.flatnonzero(some) for some in kept]
    dataset = write(dest, datasets, names, plan, rows, named, made, force)
    steps = [
        {
            "name": a.name,
            "dtype": a.dtype,
            "shape": list(a.shape),
            "steps": {
                name: [str(s) for s in own] for name, own in zip(names, a.steps, strict=True)
            },
        }
        for a in aligned
    ]
    return Fusion(dataset, told_of, overlap, total - overlap, unlike, steps, notes)
