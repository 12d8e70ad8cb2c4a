"""What a check found: a table with a reason and a score each; and the dataset without it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.attributes import entry
from lepton_jlab.data.parallel import Parallel, Progress, threaded
from lepton_jlab.errors import DataError, UsageError, suggestion

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lepton_jlab.data.dataset import Dataset

KINDS = (
    *("label", "duplicate", "near-duplicate", "leakage", "nonfinite", "constant", "broken"),
    *("outlier", "schema"),
)
KEPT = ("outlier",)  # what `apply` keeps unless told otherwise: rare is not wrong


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one sample.

    Attributes
    ----------
    kind
        One of `KINDS`.
    index
        Number of the sample; None where it is about all of them, such as a column without values.
    other
        The sample that it is like, or None.
    score
        How sure it is, from 0 to 1.
    reason
        What was found, for people.
    part
        The dataset inside in which `other` is, such as ``"test"``; ``""`` for the same.
    suggested
        The class that a sample with a wrong label seems to have.
    """

    kind: str
    index: int | None
    score: float
    reason: str
    other: int | None = None
    part: str = ""
    suggested: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        made: dict[str, Any] = {
            "kind": self.kind,
            "index": self.index,
            "other": self.other,
            "score": round(self.score, 4),
            "reason": self.reason,
        }
        if self.part:
            made["part"] = self.part
        if self.suggested is not None:
            made["suggested"] = self.suggested
        return made


@dataclass(frozen=True)
class Findings(Sequence[Finding]):
    """All that was found in a dataset, the surest of each kind first.

    Attributes
    ----------
    dataset
        What was looked at.
    checks
        The kinds that were looked for.
    notes
        What could not be looked at, and what is about the dataset as a whole.
    """

    dataset: Dataset
    found: Sequence[Finding]
    checks: Sequence[str]
    notes: Sequence[str] = field(default=())

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: Any) -> Any:
        return self.found[index]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.found)

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind that was looked for."""
        counted = Counter(one.kind for one in self.found)
        return {kind: counted[kind] for kind in KINDS if kind in self.checks or counted[kind]}

    def of(self, kind: str) -> list[Finding]:
        """Return those of one kind."""
        _known([kind])
        return [one for one in self.found if one.kind == kind]

    def indices(self, *kinds: str) -> NDArray[np.int64]:
        """Return the numbers of the samples that something was found about, each once."""
        wanted = set(_known(kinds) or KINDS)
        numbers = {f.index for f in self.found if f.kind in wanted and f.index is not None}
        return np.array(sorted(numbers), np.int64)

    def table(self) -> pd.DataFrame:
        """Return them as a table of kind, index, other, score, reason, part and suggested."""
        import pandas as pd

        columns = ["kind", "index", "other", "score", "reason", "part", "suggested"]
        rows = [[getattr(one, column) for column in columns] for one in self.found]
        whole = ["index", "other", "suggested"]
        table = pd.DataFrame(rows, columns=columns)
        return table.astype(dict.fromkeys(whole, "Int64"))

    def to_dict(self) -> dict[str, Any]:
        """Return them as ``data clean --json`` prints them."""
        return {
            "findings": [one.to_dict() for one in self.found],
            "counts": self.counts,
            "samples": len(self.dataset),
            "notes": list(self.notes),
        }

    def apply(
        self,
        out: str | os.PathLike[str],
        *,
        drop: Iterable[str] | None = None,
        keep: Iterable[int] = (),
        relabel: Mapping[int, int] | None = None,
        force: bool = False,
        parallel: Parallel = threaded,
        progress: Progress | None = None,
    ) -> Dataset:
        """Write the dataset without the samples that something was found about.

        The original stays as it is. The history of the new one lists what is not in it, by kind.

        Parameters
        ----------
        out
            The folder to make; the datasets inside, such as ``test``, are copied.
        drop
            The kinds of findings that a sample is left out for; all but ``"outlier"`` when None.
        keep
            Samples that stay whatever was found.
        relabel
            New classes by sample, which then stay too.
        force
            Replace a dataset that is there.

        Raises
        ------
        UsageError
            If a kind is unknown, or a sample or class is none of the dataset.
        DataError
            If no sample is left, or `out` cannot be written.
        """
        from lepton_jlab.data.deriving import derive

        kinds = [k for k in KINDS if k not in KEPT] if drop is None else _known(drop)
        changed = dict(relabel or {})
        stay = self._numbers([*keep, *changed])
        removed: dict[str, list[int]] = {}
        for kind in kinds:
            numbers = np.setdiff1d(self.indices(kind), stay)
            if len(numbers):
                removed[kind] = numbers.tolist()
        left = np.ones(len(self.dataset), np.bool_)
        for gone in removed.values():
            left[gone] = False
        replaced = {"": {self.dataset.roles["y"]: self._labels(changed)[left]}} if changed else {}
        parts = {"": self.dataset.select(left), **inner_parts(self.dataset)}
        made = entry(
            "clean",
            **{"from": self.dataset.path, "samples": len(self.dataset), "kept": int(left.sum())},
            removed=removed,
        )
        if changed:
            made["relabelled"] = {str(number): int(label) for number, label in changed.items()}
        return derive(
            out,
            parts,
            made,
            replaced=replaced,
            force=force,
            parallel=parallel,
            progress=progress,
        )

    def _labels(self, changed: Mapping[int, int]) -> NDArray[Any]:
        if "y" not in self.dataset.roles:
            raise UsageError(f"{self.dataset.name} has no labels (y) to change.")
        labels = np.asarray(self.dataset.y).copy()
        classes = len(self.dataset.classes or ()) or 1 + int(labels.max(initial=0))
        for number, label in changed.items():
            if not 0 <= label < classes:
                raise UsageError(f"Sample {number} cannot get the class {label} of {classes}.")
            labels[number] = label
        return labels

    def _numbers(self, numbers: Sequence[int]) -> NDArray[np.int64]:
        for number in numbers:
            if not 0 <= number < len(self.dataset):
                raise UsageError(f"{self.dataset.name} has no sample {number}.")
        return np.array(numbers, np.int64)

    def __repr__(self) -> str:
        from lepton_jlab.data.clean.report import text

        return text(self)

    def _repr_html_(self) -> str:
        from lepton_jlab.data.clean.report import html

        return html(self)


def inner_parts(dataset: Dataset, within: str = "") -> dict[str, Dataset]:
    """Return the datasets inside, by their place."""
    parts: dict[str, Dataset] = {}
    for name in dataset.groups:
        inside = dataset[name]
        parts |= ({f"{within}{name}": inside} if len(inside) else {}) | inner_parts(
            inside, f"{within}{name}/"
        )
    return parts


def _known(kinds: Iterable[str]) -> list[str]:
    listed = list(kinds)
    for kind in listed:
        if kind not in KINDS:
            near = suggestion(kind, KINDS) or f" There are: {', '.join(KINDS)}."
            raise UsageError(f"There is no check {kind!r}.{near}")
    return listed


def checked(dataset: Dataset) -> None:
    """Refuse what cannot be looked at.

    Raises
    ------
    DataError
        If there are no samples, or samples without values, such as images of no size.
    """
    if not len(dataset):
        inside = f" Inside: {', '.join(dataset.groups)}." if dataset.groups else ""
        raise DataError(f"{dataset.path} has no samples to clean.{inside}")
    for name, column in dataset.arrays.items():
        if 0 in column.shape[1:]:
            raise DataError(
                f"Samples of {name!r} in {dataset.path} have no values: their shape is "
                f"{column.shape[1:]}. Import them again."
            )
