"""Whether an export answers as the model does: differences, lost accuracy, and their bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.errors import LeptonError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

MAX_LOSS = 0.01  # share of samples that may be answered worse
MAX_DIFFERENCE = {"none": 1e-3, "dynamic": 0.1, "int8": 0.2}  # of the range of the answers


@dataclass(frozen=True, slots=True)
class Check:
    """What was measured on the samples.

    Attributes
    ----------
    samples
        How many.
    difference
        The largest difference of an answer, as a share of the largest answer of that output.
    changed
        Share of the samples to which another class is given; None where there are no classes.
    accuracy, accuracy_export
        Shares of right answers before and after; None where the labels are not known.
    """

    samples: int
    difference: float
    changed: float | None
    accuracy: float | None
    accuracy_export: float | None

    @property
    def loss(self) -> float | None:
        """Accuracy that is lost; where labels are not known, the share of changed classes."""
        if self.accuracy is not None and self.accuracy_export is not None:
            return self.accuracy - self.accuracy_export
        return self.changed

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        return {
            "samples": self.samples,
            "difference": self.difference,
            "changed": self.changed,
            "accuracy": self.accuracy,
            "accuracy_export": self.accuracy_export,
            "loss": self.loss,
        }


def compare(original: Arrays, exported: Arrays, labels: NDArray[Any] | None) -> Check:
    """Compare the answers to the same samples.

    Raises
    ------
    LeptonError
        If names, shapes, or which values are finite differ.
    """
    if set(original) != set(exported):
        raise LeptonError(
            f"The export answers {', '.join(exported)}; the model answers {', '.join(original)}."
        )
    shares = [_difference(name, original[name], exported[name]) for name in original]
    before = after = None
    if len(original) == 1:
        name = next(iter(original))
        before, after = _decided(original[name]), _decided(exported[name])
    count = len(next(iter(original.values())))
    difference = max(shares, default=0.0)
    if before is None or after is None:
        return Check(count, difference, None, None, None)
    changed = float(np.mean(before != after))
    truth = None if labels is None else _true(labels, count)
    if truth is None:
        return Check(count, difference, changed, None, None)
    right = float(np.mean(before == truth)), float(np.mean(after == truth))
    return Check(count, difference, changed, *right)


def demand(check: Check, quantize: str, max_loss: float, max_difference: float | None) -> None:
    """Refuse an export that is further from the model than is allowed.

    Where classes can be told, a quantized model is held to them and not to the differences, for
    an answer near a border may change much without harm.

    Raises
    ------
    LeptonError
        What is exceeded, by how much, and what could be done.
    """
    hint = "Nothing was written. Allow more"
    if check.loss is not None and check.loss > max_loss:
        what = "accuracy" if check.accuracy is not None else "the share of unchanged classes"
        told = ""
        if check.accuracy is not None:
            told = f" ({check.accuracy:.2%} became {check.accuracy_export:.2%})"
        raise LeptonError(
            f"The export loses {check.loss:.2%} of {what}{told} on {check.samples:,} samples; "
            f"{max_loss:.2%} is allowed. {hint} (--max-loss {_above(check.loss)})"
            + (", or quantize less (--quantize dynamic, none)." if quantize != "none" else ".")
        )
    bound = max_difference
    if bound is None and (quantize == "none" or check.loss is None):
        bound = MAX_DIFFERENCE[quantize]
    if bound is not None and not check.difference <= bound:
        raise LeptonError(
            f"The export differs by {check.difference:.2g} of the largest answer on "
            f"{check.samples:,} samples; {bound:g} is allowed. {hint} "
            f"(--max-difference {_above(check.difference)})"
            + (", or quantize less (--quantize dynamic, none)." if quantize != "none" else ".")
        )


def _above(value: float) -> str:
    return f"{value * 1.05:.2g}"


def _difference(name: str, before: NDArray[Any], after: NDArray[Any]) -> float:
    if before.shape != after.shape:
        raise LeptonError(
            f"The export answers {name!r} in shape {after.shape}; the model in {before.shape}."
        )
    if before.dtype.kind not in "fc":
        return float(np.mean(before != after)) if before.size else 0.0
    old, new = before.astype("float64"), after.astype("float64")
    finite = np.isfinite(old)
    if not np.array_equal(finite, np.isfinite(new)):
        raise LeptonError(
            f"The export answers {name!r} with NaN or infinity where the model does not."
        )
    if not finite.any():
        return 0.0
    scale = float(np.abs(old[finite]).max()) or 1.0
    return float(np.abs(old - new)[finite].max()) / scale


def _decided(answers: NDArray[Any]) -> NDArray[Any] | None:
    """Return which class each answer gives, if it is an answer by classes."""
    if answers.ndim != 2 or answers.dtype.kind != "f":
        return None
    if answers.shape[1] > 1:
        return np.asarray(answers.argmax(axis=1))
    inside = answers.size and answers.min() >= 0 and answers.max() <= 1
    return np.asarray(answers[:, 0] > 0.5).astype(int) if inside else None


def _true(labels: NDArray[Any], count: int) -> NDArray[Any] | None:
    """Return the class of each label: numbers, or one hot."""
    labels = np.asarray(labels)
    if len(labels) != count:
        return None
    flat = labels.reshape(count, -1)
    if flat.shape[1] > 1:
        return np.asarray(flat.argmax(axis=1))
    return flat[:, 0].astype(int) if labels.dtype.kind in "biu" else None
