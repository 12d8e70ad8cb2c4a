"""Which samples of several datasets are the same, whose labels differ, and which of them stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lepton_jlab.data.clean.scan import digests
from lepton_jlab.data.clean.twins import first_of_equals
from lepton_jlab.data.dataset import Dataset
from lepton_jlab.data.fuse.aligning import Aligned
from lepton_jlab.data.parallel import Parallel, Piece, Progress, pieces_of, told

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

Policy = Literal["first", "last", "majority", "drop", "keep", "error"]
POLICIES = ("first", "last", "majority", "drop", "keep", "error")


def digests_of(
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


def labels_of(aligned: Sequence[Aligned]) -> list[NDArray[Any]] | None:
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


def groups_of(seen: Sequence[NDArray[np.uint64]], kept: Sequence[NDArray[np.bool_]]) -> Ints:
    """Return a number for each sample of all, equal for equal ones; -1 for those left out."""
    numbers = first_of_equals(np.concatenate(seen))
    return np.where(np.concatenate(list(kept)), numbers, -1)


def repeats(groups: Ints, kept: Sequence[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Return which samples of each dataset an earlier one has."""
    doubled, start = [], 0
    for some in kept:
        own = groups[start : start + len(some)]
        doubled.append((own >= 0) & np.isin(own, groups[:start]))
        start += len(some)
    return doubled


def differing(
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


def resolved(
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
