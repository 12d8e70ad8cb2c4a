"""Several datasets as one: counted, brought into one form, without copies where that is asked."""

from __future__ import annotations

import json
import os
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lepton_jlab.data.attributes import entry
from lepton_jlab.data.clean.scan import digests
from lepton_jlab.data.dataset import Dataset, open_dataset
from lepton_jlab.data.describe import disk_bytes
from lepton_jlab.data.fuse.aligning import PROVENANCE, Aligned, align, map_classes
from lepton_jlab.data.fuse.rows import packed
from lepton_jlab.data.fuse.store import VERSION
from lepton_jlab.data.parallel import Parallel, Piece, Progress, pieces_of, silent, threaded, told
from lepton_jlab.data.store import is_url
from lepton_jlab.data.unfinished import unfinished
from lepton_jlab.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

Policy = Literal["first", "last", "majority", "drop", "keep", "error"]
POLICIES = ("first", "last", "majority", "drop", "keep", "error")
CHUNK_BYTES = 1 << 20
SHOWN = 1000  # conflicts that a report lists


@dataclass(frozen=True)
class Fusion:
    """What was fused, and what of it was counted.

    Attributes
    ----------
    dataset
        The result.
    sources
        For each: name, path, samples, duplicates (samples that are in an earlier one), left_out
        (of classes mapped to nothing), kept, and classes, old to new names.
    overlap, union
        Samples of later sources that an earlier one has; and how many there are without them:
        the sum of all less the overlap.
    conflicts
        Samples of two sources that are the same and have different labels.
    alignment
        For each array what is done to that of each source.
    """

    dataset: Dataset
    sources: list[dict[str, Any]]
    overlap: int
    union: int
    conflicts: list[dict[str, Any]]
    alignment: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``data fuse --json`` prints it."""
        own = disk_bytes(Path(self.dataset.path))
        theirs = [disk_bytes(Path(s["path"])) for s in self.sources if not is_url(s["path"])]
        return {
            "path": self.dataset.path,
            "sources": self.sources,
            "overlap": self.overlap,
            "union": self.union,
            "samples": len(self.dataset),
            "conflicts": len(self.conflicts),
            "conflicting": self.conflicts[:SHOWN],
            "classes": self.dataset.classes,
            "arrays": self.alignment,
            "stored_bytes": own,
            "source_bytes": sum(theirs),
            "notes": self.notes,
        }

    def __repr__(self) -> str:
        from lepton_jlab.data.fuse.report import text

        return text(self)

    def _repr_html_(self) -> str:
        from lepton_jlab.data.fuse.report import html

        return html(self)


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
    names = _names(datasets)
    named, tables, lookups = map_classes(datasets, names, classes)
    aligned, notes = align(datasets, names, lookups)
    seen = _digests(datasets, aligned, parallel, report)
    labels = _labels(aligned)
    kept = [np.ones(len(ds), np.bool_) for ds in datasets]
    for number, lookup in enumerate(lookups):
        if lookup is not None and min(lookup.table, default=0) < 0:
            own = np.asarray(datasets[number].y).reshape(-1).astype(np.int64)
            kept[number] = np.asarray(lookup.table)[own] >= 0
    left_out = [int((~some).sum()) for some in kept]
    groups = _groups(seen, kept)
    doubled = _repeats(groups, kept)
    differing = _conflicts(groups, labels, kept, named)
    if differing and conflicts == "error":
        one = differing[0]
        raise DataError(
            f"{len(differing)} samples have different labels in different sources, as "
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
    for one in differing:
        one["source"], one["other_source"] = names[one["source"]], names[one["other_source"]]
    total = sum(int(some.sum()) for some in kept)
    overlap = sum(int(own.sum()) for own in doubled)
    if dedup:
        kept = _resolved(groups, labels, kept, doubled, conflicts)
    for one, some in zip(told_of, kept, strict=True):
        one["kept"] = int(some.sum())
    made = entry(
        "fuse",
        sources=[{k: one[k] for k in ("name", "path", "samples", "kept")} for one in told_of],
        overlap=overlap,
        union=total - overlap,
        conflicts=len(differing),
        **({"dedup": conflicts} if dedup else {}),
    )
    plan = [(a, list(range(len(datasets)))) for a in aligned]
    rows = [None if some.all() else np.flatnonzero(some) for some in kept]
    dataset = _write(dest, datasets, names, plan, rows, named, made, force)
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
    return Fusion(dataset, told_of, overlap, total - overlap, differing, steps, notes)


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
    names = _names(pair)
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
    return _write(dest, pair, names, plan, rows, named, made, force)


def by_source(dataset: Dataset) -> dict[str, Dataset]:
    """Return the parts of a fused dataset by the names of its sources, to be weighed in training.

    Examples
    --------
    >>> parts = [part.batches(64) for part in by_source(ds).values()]     # doctest: +SKIP
    >>> model.fit(lepton.mix(parts, [0.7, 0.3]))                          # doctest: +SKIP
    """
    fused = dataset._schema.get("fused")
    if fused is None or "source" not in dataset.arrays:
        raise UsageError(f"{dataset.path} is not fused of others.")
    where = dataset.arrays["source"][:]
    parts = {}
    for number, source in enumerate(fused["sources"]):
        own = np.flatnonzero(where == number)
        if len(own):
            parts[source["name"]] = dataset.select(own)
    return parts


# ---- what is the same


def _digests(
    datasets: Sequence[Dataset], aligned: Sequence[Aligned], parallel: Parallel, report: Progress
) -> list[NDArray[np.uint64]]:
    """Return digests of the inputs of each dataset, as they are in the common form."""
    inputs = [a for a in aligned if a.role == "x"]
    inputs = inputs or [a for a in aligned if a.role not in ("y", "sample_weight")]
    made = []
    for number, ds in enumerate(datasets):
        own = [(a.columns[number].name, a.steps[number], a.dtype) for a in inputs]
        pieces = pieces_of(ds, *(name for name, _, _ in own))
        work = parallel(partial(_digest, own=own), pieces)
        parts = list(told(work, pieces, report, f"comparing {ds.name}"))
        made.append(np.concatenate(parts) if parts else np.empty((0, 2), np.uint64))
    return made


def _digest(piece: Piece, own: Sequence[tuple[str, Any, str]]) -> NDArray[np.uint64]:
    arrays = []
    for name, steps, _ in own:
        values = piece.read(name)
        for one in steps:
            values = one(values)
        arrays.append(values)
    return digests(arrays)


def _labels(aligned: Sequence[Aligned]) -> list[NDArray[Any]] | None:
    """Return the labels of each dataset in the common form, where they are one number a sample."""
    found = next((a for a in aligned if a.role == "y"), None)
    if found is None or found.shape not in ((), (1,)):
        return None
    made = []
    for column, steps in zip(found.columns, found.steps, strict=True):
        values = column[:]
        for one in steps:
            values = one(values)
        made.append(values.reshape(-1))
    return made


def _groups(seen: Sequence[NDArray[np.uint64]], kept: Sequence[NDArray[np.bool_]]) -> Ints:
    """Return a number for each sample of all, equal for equal ones; -1 for those left out."""
    joined = np.ascontiguousarray(np.concatenate(seen))
    keys = joined.view([("a", np.uint64), ("b", np.uint64)]).reshape(-1)
    numbers = np.unique(keys, return_inverse=True)[1].astype(np.int64)
    return np.where(np.concatenate(list(kept)), numbers, -1)


def _repeats(groups: Ints, kept: Sequence[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Return which samples of each dataset an earlier one has."""
    doubled, start = [], 0
    for some in kept:
        own = groups[start : start + len(some)]
        doubled.append((own >= 0) & np.isin(own, groups[:start]))
        start += len(some)
    return doubled


def _conflicts(
    groups: Ints,
    labels: Sequence[NDArray[Any]] | None,
    kept: Sequence[NDArray[np.bool_]],
    named: Sequence[str] | None,
) -> list[dict[str, Any]]:
    """List equal samples of different datasets whose labels differ, each with the first of them."""
    if labels is None:
        return []
    sizes = [len(some) for some in kept]
    source = np.repeat(np.arange(len(sizes)), sizes)
    index = np.concatenate([np.arange(n) for n in sizes])
    given = np.concatenate(list(labels))
    found = []
    valid = np.flatnonzero(groups >= 0)
    order = valid[np.argsort(groups[valid], kind="stable")]
    first = order[np.searchsorted(groups[order], groups[order])]
    differ = (given[order] != given[first]) & (source[order] != source[first])

    def word(place: int) -> Any:
        value = given[place]
        return named[int(value)] if named else value.item()

    for place, one in zip(order[differ].tolist(), first[differ].tolist(), strict=True):
        found.append(
            {
                "source": int(source[place]),
                "index": int(index[place]),
                "label": word(place),
                "other_source": int(source[one]),
                "other_index": int(index[one]),
                "other_label": word(one),
            }
        )
    return found


def _resolved(
    groups: Ints,
    labels: Sequence[NDArray[Any]] | None,
    kept: Sequence[NDArray[np.bool_]],
    doubled: Sequence[NDArray[np.bool_]],
    policy: Policy,
) -> list[NDArray[np.bool_]]:
    """Return what stays: of samples that several datasets have those of one."""
    sizes = [len(some) for some in kept]
    source = np.repeat(np.arange(len(sizes)), sizes)
    stay = np.concatenate([a & ~b for a, b in zip(kept, doubled, strict=True)])
    given = None if labels is None else np.concatenate(list(labels))
    shared = np.unique(groups[np.concatenate(list(doubled))])
    if given is not None and policy != "first" and len(shared):
        members: dict[int, list[int]] = defaultdict(list)
        for place in np.flatnonzero(np.isin(groups, shared)).tolist():
            members[int(groups[place])].append(place)
        for places in members.values():
            values = given[places]
            if (values == values[0]).all():
                continue
            stay[places] = False
            if policy == "keep":
                stay[places] = True
            elif policy == "last":
                last = source[places].max()
                stay[[p for p in places if source[p] == last]] = True
            elif policy == "majority":
                names, counts = np.unique(values, return_counts=True)
                most = names[counts == counts.max()]  # where none has more, the first of them
                stay[next(p for p in places if given[p] in most)] = True
    return np.split(stay, np.cumsum(sizes)[:-1])


# ---- how it is written


def _names(datasets: Sequence[Dataset]) -> list[str]:
    """Return a name for each dataset, by which it can be told from the others."""
    names = [ds.name for ds in datasets]
    if len(set(names)) < len(names):
        names = ["/".join(ds.path.split("/")[-2:]) for ds in datasets]
    return [n if names.count(n) == 1 else f"{n} {i + 1}" for i, n in enumerate(names)]


def _write(
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
