"""Label errors, from out-of-sample predictions: how probable is each label to be wrong?

Confident learning (Northcutt, Jiang and Chuang 2021, JAIR 70), which cleanlab implements, takes a
sample for mislabelled when a model is as sure of another class as it usually is of that. Classes
that look alike (shirts and pullovers) are then suspected of each other by the hundred. Here the
rate of errors and the sharpness of the predictions are fitted together to the labels as they are,
and each label gets the probability, by Bayes' rule, that it is one of those errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.clean.findings import Finding
from lepton_jlab.data.clean.folds import FOLDS, Build, Fold, fold_numbers, predict
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.dataset import Dataset

WRONG = 0.5  # from this probability on it is a finding
LEAST = 10  # samples of a class a model can be asked about
_FITTED = 20_000  # samples that rate and sharpness are fitted to
_SHARPNESS = np.geomspace(0.4, 4, 40)
_RATES = np.concatenate([[1e-5], np.geomspace(1e-3, 0.5, 40)])

Fits = Callable[[Callable[[Fold], "NDArray[np.float32]"], Sequence[Fold]], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Suspicions:
    """What is thought of the labels.

    Attributes
    ----------
    wrong
        For each sample the probability that its label is wrong.
    suggested
        The class that it has else.
    rate
        The share of labels that is wrong, as fitted.
    """

    wrong: NDArray[np.float64]
    suggested: NDArray[np.int64]
    rate: float


def suspicions(probabilities: NDArray[Any], labels: NDArray[Any]) -> Suspicions:
    """Return how probable each label is to be wrong.

    Parameters
    ----------
    probabilities
        Of each class, shape ``(samples, classes)``, by a model that has not seen the sample.
    labels
        Class numbers, shape ``(samples,)``.
    """
    classes = probabilities.shape[1]
    logs = np.log(np.clip(probabilities.astype(np.float64), 1e-9, 1))
    some = slice(None, None, -(-len(logs) // _FITTED) or 1)  # two numbers are fitted: enough
    few, given = logs[some], labels[some]
    best, sharp = (-np.inf, 0.0), 1.0
    for sharpness in _SHARPNESS:
        own = _probability(few / sharpness, given)
        for rate in _RATES:  # an error gives any other class its label
            fit = float(np.log((1 - rate) * own + rate * (1 - own) / (classes - 1)).mean())
            if fit > best[0]:
                best, sharp = (fit, float(rate)), float(sharpness)
    own = _probability(logs / sharp, labels)
    rate = best[1]
    mistaken = rate * (1 - own) / (classes - 1)
    others = logs.copy()
    others[np.arange(len(logs)), labels] = -np.inf
    return Suspicions(
        mistaken / (mistaken + (1 - rate) * own), others.argmax(axis=1).astype(np.int64), rate
    )


def _probability(logs: NDArray[np.float64], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return what a softmax of each row gives to its label."""
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    own: NDArray[np.float64] = powers[np.arange(len(logs)), labels] / powers.sum(axis=1)
    return own


def label_findings(
    dataset: Dataset,
    usable: NDArray[np.bool_],
    groups: NDArray[np.int64],
    *,
    build: Build | None,
    epochs: int | None,
    seed: int,
    fits: Fits,
) -> tuple[list[Finding], str]:
    """Train a model a fold, and suspect labels; also return a sentence on how it went.

    Parameters
    ----------
    usable
        Which samples a model is asked about and trained on: those without other faults.
    groups
        Equal numbers for samples that are copies, which must not be in two folds.
    fits
        Calls a function for each fold, as runs of a cluster or one after the other.

    Raises
    ------
    DataError
        If the labels are no class numbers, or too few of each.
    """
    labels, classes = class_numbers(dataset)
    usable = usable & (labels >= 0)
    rows = np.flatnonzero(usable)
    counts = np.bincount(labels[rows], minlength=classes)
    if classes < 2 or np.median(counts[counts > 0]) < LEAST:
        raise DataError(f"labels are not checked: too few samples a class ({len(rows)} in all)")
    numbers = fold_numbers(np.unique(groups[rows], return_inverse=True)[1], FOLDS, seed)
    folds = [
        Fold(dataset, rows[numbers != k], rows[numbers == k], classes, build, epochs, seed + k)
        for k in range(FOLDS)
    ]
    made = np.zeros((len(rows), classes), np.float32)
    for k, part in enumerate(fits(predict, folds)):
        made[numbers == k] = part
    found = suspicions(made, labels[rows])
    names = dataset.classes or [str(number) for number in range(classes)]
    findings = [
        Finding(
            "label",
            int(rows[place]),
            float(found.wrong[place]),
            f"labelled {names[labels[rows[place]]]}, looks like {names[found.suggested[place]]}",
            suggested=int(found.suggested[place]),
        )
        for place in np.flatnonzero(found.wrong > WRONG)
    ]
    agreed = float((made.argmax(axis=1) == labels[rows]).mean())
    note = (
        f"labels: {FOLDS} models, each of what it had not seen, agree with {agreed:.1%} of them; "
        f"about {found.rate:.1%} seem to be wrong"
    )
    return findings, note


def class_numbers(dataset: Dataset) -> tuple[NDArray[np.int64], int]:
    """Return the class of each sample, -1 where it has none, and how many classes there are.

    Raises
    ------
    DataError
        If the labels are no class numbers.
    """
    if "y" not in dataset.roles:
        raise DataError("labels are not checked: there are none (no array has the role y)")
    values = np.asarray(dataset.y).reshape(len(dataset), -1)
    if values.shape[1] != 1 or values.dtype.kind not in "iu":
        raise DataError(
            f"labels are not checked: {dataset.y.dtype} of shape {dataset.y.shape[1:]} is no class"
        )
    numbers = values[:, 0].astype(np.int64)
    highest = int(numbers.max(initial=-1)) + 1
    classes = len(dataset.classes or ()) or highest
    if classes > 2000 or classes > len(numbers) // 2:
        raise DataError(f"labels are not checked: {classes:,} different numbers are no classes")
    numbers[(numbers < 0) | (numbers >= classes)] = -1
    return numbers, classes
