"""One pass over a dataset: what is wrong with a sample by itself, and by what it is compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.clean import images, texts
from lepton_jlab.data.clean.findings import Finding
from lepton_jlab.data.clean.outliers import Space
from lepton_jlab.data.clean.schema import Rules
from lepton_jlab.data.preview import is_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.dataset import Dataset
    from lepton_jlab.data.parallel import Piece

LEAST = 8  # values of a sample, that it could be called constant


@dataclass(frozen=True)
class Plan:
    """What is looked at in each piece.

    Attributes
    ----------
    inputs
        Arrays that together are what a model gets: equal ones are duplicates.
    picture, texts
        The array of images, or ``""``; those of texts.
    checks
        Kinds that are looked for.
    """

    inputs: tuple[str, ...]
    picture: str
    texts: tuple[str, ...]
    checks: frozenset[str]
    rules: Rules
    looks: images.Looks | None = None
    space: Space | None = None

    @property
    def compares(self) -> bool:
        """Whether samples are compared by their content."""
        return bool(self.checks & {"duplicate", "near-duplicate", "leakage", "label"})

    @property
    def nearly(self) -> bool:
        """Whether samples that are alike are looked for."""
        return bool(self.checks & {"near-duplicate", "leakage"})


@dataclass
class Seen:
    """What was seen in a stretch of samples.

    Attributes
    ----------
    digests
        Of all inputs, shape ``(samples, 2)``.
    hashes, bands
        Of images, and by name of texts.
    words, keys
        Digests by array: of texts, and of what should be there only once.
    strangeness
        As an outlier.
    """

    findings: list[Finding] = field(default_factory=list)
    digests: NDArray[np.uint64] | None = None
    hashes: NDArray[np.float16] | None = None
    bands: dict[str, NDArray[np.uint32]] = field(default_factory=dict)
    words: dict[str, NDArray[np.uint64]] = field(default_factory=dict)
    keys: dict[str, NDArray[np.uint64]] = field(default_factory=dict)
    strangeness: NDArray[np.float32] | None = None


def inputs_of(dataset: Dataset) -> tuple[str, ...]:
    """Return the names of what a model gets: x, or all but the other roles and the provenance."""
    if "x" in dataset.roles:
        return (dataset.roles["x"],)
    others = {*dataset.roles.values(), "source", "source_index"}
    return tuple(name for name in dataset.arrays if name not in others)


def picture_of(dataset: Dataset) -> str:
    """Return the name of the first input that holds images, or ``""``."""
    return next((n for n in inputs_of(dataset) if is_picture(dataset.arrays[n])), "")


def texts_of(dataset: Dataset) -> tuple[str, ...]:
    """Return the names of the arrays of texts."""
    targets = {name for role, name in dataset.roles.items() if role != "x"}
    return tuple(
        name
        for name, column in dataset.arrays.items()
        if column.dtype.kind in "TUSO" and column.ndim == 1 and name not in targets
    )


def look(piece: Piece, plan: Plan) -> Seen:
    """Look at a stretch of samples; called by many threads or processes."""
    seen = Seen()
    values = {name: piece.read(name) for name in piece.dataset.arrays}
    constant = _faults(piece, plan, values, seen)
    if plan.compares:
        seen.digests = digests([values[name] for name in plan.inputs]).copy()
        # Samples of one value are equal by having nothing, which is a finding of its own.
        for place in constant:
            seen.digests[place] = piece.start + place, 0
    if plan.nearly and plan.picture:
        seen.hashes = images.perceptual(values[plan.picture])
    for name in plan.texts if plan.nearly else ():
        known = texts.plain(values[name])
        seen.bands[name] = texts.signatures(known)
        seen.words[name] = digests([values[name]])[:, 0]
    if "schema" in plan.checks:
        seen.keys = {name: digests([values[name]])[:, 0] for name in plan.rules.unique}
    if plan.space is not None:
        seen.strangeness = plan.space.strangeness(values[plan.inputs[0]])
    return seen


def digests(arrays: list[NDArray[Any]]) -> NDArray[np.uint64]:
    """Return 128 bits of BLAKE2 of each sample's bytes, shape ``(samples, 2)``."""
    count = len(arrays[0])
    rows: list[list[bytes]] = []
    for values in arrays:
        if values.dtype.kind in "TUSO":
            words = texts.plain(values.reshape(-1))
            each = len(words) // max(1, count)
            if each > 1:
                words = ["\0".join(words[i : i + each]) for i in range(0, len(words), each)]
            rows.append([word.encode() for word in words])
        else:
            data = np.ascontiguousarray(values).tobytes()
            size = len(data) // max(1, count)
            rows.append([data[start : start + size] for start in range(0, len(data), size or 1)])
    made = bytearray()
    for parts in zip(*rows, strict=True):
        made += hashlib.blake2b(b"".join(parts), digest_size=16).digest()
    return np.frombuffer(bytes(made), np.uint64).reshape(count, 2)


def _faults(piece: Piece, plan: Plan, values: Mapping[str, NDArray[Any]], seen: Seen) -> list[int]:
    """Note what is wrong with samples by themselves; return which are constant."""

    def note(kind: str, place: int, reason: str) -> None:
        seen.findings.append(Finding(kind, piece.start + place, 1.0, reason))

    if "nonfinite" in plan.checks:
        for name, array in values.items():
            if array.dtype.kind in "fc" and name != "boxes":  # NaN where there is no box
                for place, reason in _nonfinite(name, array, plan.rules.empty(name)).items():
                    note("nonfinite", place, reason)
    constant: set[int] = set()
    for name in plan.inputs:
        array = values[name]
        if array.dtype.kind in "biuf" and array[0].size >= LEAST:
            flat = array.reshape(len(array), -1)
            for place in np.flatnonzero((flat == flat[:, :1]).all(axis=1)).tolist():
                constant.add(place)
                if "constant" in plan.checks:
                    note("constant", place, f"all of {name} is {flat[place, 0]:g}")
    if "broken" in plan.checks:
        if plan.picture and plan.looks is not None:
            for place, reason in images.broken(values[plan.picture], plan.looks).items():
                if place not in constant:
                    note("broken", place, reason)
        for name in plan.texts:
            for place, reason in texts.broken(texts.plain(values[name])).items():
                note("broken", place, f"{name} {reason}")
    if "schema" in plan.checks:
        for name, array in values.items():
            for place, reason in plan.rules.broken(name, array).items():
                note("schema", place, reason)
    return sorted(constant)


def _nonfinite(name: str, values: NDArray[Any], empty: NDArray[np.bool_] | None) -> dict[int, str]:
    bad = ~np.isfinite(values.reshape(len(values), -1))
    if empty is not None:  # a column without values is one finding, not one a sample
        bad &= ~empty
    counts = bad.sum(axis=1)
    size = bad.shape[1]
    return {
        place: f"{counts[place]} of {size} values of {name} are not finite"
        if size > 1
        else f"{name} is {values.reshape(-1)[place]}"
        for place in np.flatnonzero(counts).tolist()
    }
