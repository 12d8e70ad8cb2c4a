"""The checks of a dataset, one after the other, in one pass where they can."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.clean import images, outliers, twins
from lepton_jlab.data.clean.findings import KINDS, Finding, Findings, checked, inner_parts
from lepton_jlab.data.clean.findings import _known as known_kinds
from lepton_jlab.data.clean.labels import label_findings
from lepton_jlab.data.clean.scan import Plan, Seen, inputs_of, look, picture_of, texts_of
from lepton_jlab.data.clean.schema import rules_of
from lepton_jlab.data.parallel import Parallel, Progress, pieces_of, silent, threaded, told
from lepton_jlab.errors import DataError, MissingDependencyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.clean.folds import Build, Fold
    from lepton_jlab.data.clean.labels import Fits
    from lepton_jlab.data.dataset import Dataset

    Ints = NDArray[np.int64]

SAMPLE = 4096  # samples from which is inferred what is usual
STRETCHES = 16  # of the dataset that they are of
COMMON = 0.2  # share of the samples from which on a fault is no exception
CATEGORIES = 0.1  # share of different texts below which they are names of categories


def clean(
    dataset: Dataset,
    checks: Iterable[str] | None = None,
    *,
    schema: Mapping[str, Any] | None = None,
    build: Build | None = None,
    epochs: int | None = None,
    seed: int = 0,
    parallel: Parallel = threaded,
    fits: Fits | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Look for faults in a dataset; nothing is changed.

    Parameters
    ----------
    dataset
        What to look at, larger than memory if need be; a few hundred bytes a sample are held.
        Those inside it, such as ``test``, are only compared with it (leakage).
    checks
        Kinds to look for: ``label``, ``duplicate``, ``near-duplicate``, ``leakage``,
        ``nonfinite``, ``constant``, ``broken``, ``outlier``, ``schema``; all when None.
    schema
        What values may be, by array: ``{"x": {"min": 0}, "id": {"unique": True}}``, with ``min``,
        ``max``, ``values``, ``unique``, ``dtype``, ``shape``. What is not said is inferred.
    build
        Takes a dataset and returns a compiled Keras model that gives a probability a class, to find
        label errors with; a small network for the kind of inputs when None.
    epochs
        That it is trained for.
    parallel
        Has the pieces of the dataset looked at; by threads of this process.
    fits
        Has the models of label errors trained; one after the other here.
    progress
        Called with (done, in all, what is being done).

    Raises
    ------
    UsageError
        If a check or a rule is unknown.
    DataError
        If there are no samples, or they cannot be read.

    Examples
    --------
    >>> found = clean(ds)                                # doctest: +SKIP
    >>> found.apply("cleaned.zarr")                      # doctest: +SKIP
    """
    kinds = tuple(KINDS) if checks is None else tuple(dict.fromkeys(known_kinds(checks)))
    checked(dataset)
    report = progress or silent
    report(0, 0, "looking at some samples")
    plan, findings, notes = _planned(dataset, frozenset(kinds), schema)
    seen = _scanned(dataset, plan, parallel, report, f"looking at {dataset.name}")
    findings += _uncommon(seen.findings, len(dataset), notes)
    inner = inner_parts(dataset) if "leakage" in kinds else {}
    others = {
        name: _scanned(part, _only_compared(plan), parallel, report, f"looking at {name}")
        for name, part in inner.items()
        if set(plan.inputs) <= set(part.arrays)
    }
    groups = np.arange(len(dataset))
    if seen.digests is not None:
        findings += _equal(plan, seen, others)
        groups = twins.first_of_equals(seen.digests)
        findings += _alike(dataset, plan, seen, inner, others, parallel, report, notes)
    findings += _repeated_keys(dataset, seen)
    if seen.strangeness is not None:
        findings += _strange(seen.strangeness)
    if "label" in kinds:
        bad = {f.index for f in findings if f.kind in ("nonfinite", "constant", "broken")}
        usable = ~np.isin(np.arange(len(dataset)), [i for i in bad if i is not None])
        try:
            wrong, note = label_findings(
                dataset,
                usable,
                groups,
                build=build,
                epochs=epochs,
                seed=seed,
                fits=_told_fits(fits or _here, report),
            )
            findings += wrong
            notes.append(note)
        except (DataError, MissingDependencyError) as error:
            if checks is not None and isinstance(error, MissingDependencyError):
                raise
            notes.append(str(error))
    findings.sort(key=lambda f: (KINDS.index(f.kind), -f.score, -1 if f.index is None else f.index))
    return Findings(dataset, [f for f in findings if f.kind in kinds], kinds, notes)


def _here(function: Any, folds: Sequence[Fold]) -> Iterator[Any]:
    return map(function, folds)


def _told_fits(fits: Fits, report: Progress) -> Fits:
    def with_words(function: Any, folds: Sequence[Fold]) -> Iterator[Any]:
        report(0, len(folds), "training models for the labels")
        for number, made in enumerate(fits(function, folds), 1):
            report(number, len(folds), "training models for the labels")
            yield made

    return with_words


def _planned(
    dataset: Dataset, kinds: frozenset[str], schema: Mapping[str, Any] | None
) -> tuple[Plan, list[Finding], list[str]]:
    """Infer from some samples what is usual."""
    sample = {name: _some(dataset, name) for name in dataset.arrays}
    rules, whole = rules_of(dataset, sample, schema)
    inputs, picture = inputs_of(dataset), picture_of(dataset)
    findings = [Finding("schema", None, 1.0, reason) for _, reason in whole]
    notes: list[str] = []
    looks = images.Looks.of(sample[picture]) if picture else None
    space = None
    if "outlier" in kinds and inputs and sample[inputs[0]].dtype.kind in "biuf":
        empty = rules.empty(inputs[0])
        if empty is None or not empty.any():
            space = outliers.Space.of(sample[inputs[0]])
        if space is None:
            notes.append(f"outliers are not looked for: {inputs[0]} has too few complete samples")
    return Plan(inputs, picture, texts_of(dataset), kinds, rules, looks, space), findings, notes


def _some(dataset: Dataset, name: str) -> NDArray[Any]:
    """Read samples from stretches all over the dataset."""
    column, count = dataset.arrays[name], len(dataset)
    size = max(1, column.nbytes // count)
    wanted = min(count, SAMPLE, max(256, (64 << 20) // size))
    each = -(-wanted // STRETCHES)
    if count <= wanted:
        return column[:]
    starts = np.linspace(0, count - each, STRETCHES).astype(int)
    return np.concatenate([column[start : start + each] for start in starts.tolist()])


def _only_compared(plan: Plan) -> Plan:
    from lepton_jlab.data.clean.schema import Rules

    return Plan(plan.inputs, plan.picture, plan.texts, frozenset({"leakage"}), Rules())


def _scanned(dataset: Dataset, plan: Plan, parallel: Parallel, report: Progress, text: str) -> Seen:
    pieces = pieces_of(dataset)
    made, parts = Seen(), []
    for one in told(parallel(partial(look, plan=plan), pieces), pieces, report, text):
        made.findings += one.findings
        parts.append(one)
    for name in ("digests", "hashes", "strangeness"):
        values = [getattr(one, name) for one in parts]
        if values and values[0] is not None:
            setattr(made, name, np.concatenate(values))
    for name in ("bands", "words", "keys"):
        for array in getattr(parts[0], name):
            getattr(made, name)[array] = np.concatenate(
                [getattr(one, name)[array] for one in parts]
            )
    return made


def _uncommon(findings: list[Finding], count: int, notes: list[str]) -> list[Finding]:
    """Leave out what so many samples have that it is how these data are."""
    kept = list(findings)
    for kind in ("constant", "broken", "schema"):
        which = {f.index for f in findings if f.kind == kind and not f.reason.endswith("is empty")}
        if len(which) > max(COMMON * count, 10):
            notes.append(
                f"{kind}: {len(which):,} of {count:,} samples would be; these data are so, and "
                "none is listed"
            )
            kept = [f for f in kept if f.kind != kind or f.index not in which]
    return kept


def _equal(plan: Plan, seen: Seen, others: Mapping[str, Seen]) -> list[Finding]:
    """Find copies within the dataset, and samples of it that are in those inside."""
    assert seen.digests is not None
    findings = []
    if "duplicate" in plan.checks:
        first = twins.first_of_equals(seen.digests)
        for place in np.flatnonzero(first != np.arange(len(first))).tolist():
            other = int(first[place])
            reason = f"the same as sample {other}"
            findings.append(Finding("duplicate", place, 1.0, reason, other))
    for part, inside in others.items():
        assert inside.digests is not None
        first = twins.first_of_equals(np.concatenate([inside.digests, seen.digests]))
        count = len(inside.digests)
        for place in np.flatnonzero(first[count:] < count).tolist():
            other = int(first[count + place])
            reason = f"the same as sample {other} of {part}"
            findings.append(Finding("leakage", place, 1.0, reason, other, part))
    return findings


def _alike(
    dataset: Dataset,
    plan: Plan,
    seen: Seen,
    inner: Mapping[str, Dataset],
    others: Mapping[str, Seen],
    parallel: Parallel,
    report: Progress,
    notes: list[str],
) -> list[Finding]:
    """Find images and texts that are nearly the same, within the dataset and in those inside."""
    if not plan.nearly:
        return []
    starts = np.cumsum([0, len(dataset), *(len(inner[name]) for name in others)])
    names = ["", *others]
    findings = []
    for array in dict.fromkeys([plan.picture, *plan.texts]):
        if not array:
            continue
        columns = (dataset.arrays[array], *(inner[name].arrays[array] for name in others))
        if array == plan.picture:
            if min(dataset.arrays[array].shape[1:3]) <= 4 * images.SHIFT:
                continue
            hashes = [seen.hashes, *(other.hashes for other in others.values())]
            pairs = twins.close_pairs(_joined(hashes), images.RADIUS)
            judge: Any = twins.image_likeness
            known = [seen.digests, *(other.digests for other in others.values())]
            same = twins.first_of_equals(_joined(known))
        else:
            words = np.concatenate([seen.words[array], *(o.words[array] for o in others.values())])
            _, first, same = np.unique(words, return_index=True, return_inverse=True)
            if len(dataset) >= 100 and len(first) < CATEGORIES * len(words):
                notes.append(f"{array} has few different texts: near duplicates are no news there")
                continue
            same = first[same]
            bands = np.concatenate([seen.bands[array], *(o.bands[array] for o in others.values())])
            pairs = twins.band_pairs(np.where((same == np.arange(len(same)))[:, None], bands, 0))
            judge = twins.text_likeness
        single = same[pairs] == pairs  # copies are found as such, and compared once
        pairs = pairs[single.all(axis=1) & (pairs[:, 0] < len(dataset))]
        findings += _judged(array, columns, pairs, judge, starts, names, parallel, report)
    return [f for f in findings if f.kind in plan.checks]


def _joined(parts: Sequence[Any]) -> NDArray[Any]:
    joined: NDArray[Any] = np.concatenate(list(parts))
    return joined


def _judged(
    array: str,
    columns: Any,
    pairs: Ints,
    judge: Any,
    starts: Ints,
    names: Sequence[str],
    parallel: Parallel,
    report: Progress,
) -> list[Finding]:
    """Look at candidates; a later sample is a finding once, with the earlier one most like it."""
    batches = twins.batches(columns, pairs)
    best: dict[tuple[int, int], tuple[float, int, int]] = {}
    done = 0
    for batch, likeness in zip(batches, parallel(judge, batches), strict=True):
        done += len(batch.pairs)
        report(done, len(pairs), f"comparing {array} of samples that are alike")
        for place in np.flatnonzero(likeness).tolist():
            left, right = batch.pairs[place].tolist()
            part = int(np.searchsorted(starts, right, "right")) - 1
            # A copy of a sample of the test part is to leave the training part.
            own, other = (right, left) if part == 0 else (left, right - int(starts[part]))
            score = float(likeness[place])
            if score > best.get((own, part), (0.0, 0, 0))[0]:
                best[own, part] = score, other, part
    findings = []
    for (own, part), (score, other, _) in best.items():
        within = f" of {names[part]}" if part else ""
        reason = f"{array} is nearly the same as that of sample {other}{within} ({score:.2%})"
        kind = "leakage" if part else "near-duplicate"
        findings.append(Finding(kind, own, score, reason, other, names[part]))
    return findings


def _repeated_keys(dataset: Dataset, seen: Seen) -> list[Finding]:
    findings = []
    for name, keys in seen.keys.items():
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        for place in np.flatnonzero(first[which] != np.arange(len(keys))).tolist():
            other = int(first[which[place]])
            value = dataset.arrays[name][place]
            reason = f"{name} is {value}, as that of sample {other}; each should be there once"
            findings.append(Finding("schema", place, 1.0, reason, other))
    return findings


def _strange(strangeness: NDArray[np.float32]) -> list[Finding]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = np.flatnonzero(strangeness > outliers.FAR)
    return [
        Finding(
            "outlier",
            int(place),
            float(1 - outliers.FAR / (2 * strangeness[place])),
            f"far from all others: {strangeness[place]:.1f} times the usual spread",
        )
        for place in places
    ]
