"""`Labels`: the labels of one dataset, who gave them, how they agree, and what becomes of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lepton_jlab.data.label.agreement import pairs
from lepton_jlab.data.label.events import NO_OBJECT, SKIPPED, WITHDRAWN, Event, Log
from lepton_jlab.errors import DataError, UsageError, suggestion

if TYPE_CHECKING:
    import pandas as pd

    from lepton_jlab.data.dataset import Dataset

Kind = Literal["image", "boxes", "text", "plot", "row"]
KINDS: tuple[Kind, ...] = ("image", "boxes", "text", "plot", "row")
Policy = Literal["majority", "unanimous", "latest"]
POLICIES: tuple[Policy, ...] = ("majority", "unanimous", "latest")
State = dict[tuple[str, int], list[Event]]


class Labels:
    """The labels of a dataset. Get them by `open_labels`.

    Each action is on the disk when the call returns, in ``NAME.labels.zarr`` beside the dataset.
    """

    def __init__(self, dataset: Dataset, folder: Path, until: float | None = None) -> None:
        self.dataset = dataset
        self._until = until
        self._log = Log(folder)
        known = self._log.attributes
        self.kind: Kind = known["kind"]
        if known["samples"] != len(dataset):
            raise DataError(
                f"{folder.name} has labels of {known['samples']:,} samples, and {dataset.name} has "
                f"{len(dataset):,} now: the numbers would name others. Rename {folder.name}, or "
                "restore the dataset: %lepton data versions."
            )
        self._state: State = {}
        self._used = 0
        self._take_up()

    @property
    def path(self) -> Path:
        """Where they are kept."""
        return self._log.folder

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of their numbers."""
        return list(self._log.classes)

    @property
    def annotators(self) -> list[str]:
        """Who has labelled."""
        return list(self._log.annotators)

    # ---- labelling

    def give(self, sample: int, label: str | int, annotator: str) -> None:
        """Label a sample; it is kept when this returns.

        Raises
        ------
        UsageError
            If there is no such sample or class.
        DataError
            If it cannot be written.
        """
        self._append(annotator, sample, [self._number(label)])

    def give_boxes(
        self, sample: int, boxes: Sequence[tuple[str | int, Sequence[float]]], annotator: str
    ) -> None:
        """Say what objects a sample has and where, instead of what was said before.

        Parameters
        ----------
        boxes
            Class and (x, y, width, height) in pixels of each; none, where there is no object.
        """
        if not boxes:
            self._append(annotator, sample, [NO_OBJECT])
            return
        for _, box in boxes:
            if len(box) != 4 or not (box[2] > 0 and box[3] > 0):
                raise UsageError(f"{list(box)} is no box: it is x, y, width, height in pixels.")
        self._append(
            annotator, sample, [self._number(kind) for kind, _ in boxes], [box for _, box in boxes]
        )

    def skip(self, sample: int, annotator: str) -> None:
        """Note that an annotator cannot tell."""
        self._append(annotator, sample, [SKIPPED])

    def undo(self, annotator: str) -> int | None:
        """Take back an annotator's last action that stands; return its sample, or None.

        Nothing is removed from the log: what was said before is said again.
        """
        self._refresh()
        standing = self._standing(annotator)
        if not standing:
            return None
        last = standing.pop()
        sample = last[0].sample
        before = next((a for a in reversed(standing) if a[0].sample == sample), [])
        boxes = [event.box for event in before if event.box is not None]
        labels = [event.label for event in before] or [WITHDRAWN]
        self._append(annotator, sample, labels, boxes or None, undoes=last[0].action)
        return sample

    def add_class(self, name: str) -> int:
        """Add a class at the end of the list, and return its number."""
        if name in self.classes:
            raise UsageError(f"There is a class {name!r} already.")
        self._log.set_classes([*self.classes, name])
        return len(self.classes) - 1

    # ---- what there is

    def of(self, sample: int, annotator: str | None = None) -> list[Event]:
        """Return what stands about a sample, of one annotator or of all."""
        self._refresh()
        who = self.annotators if annotator is None else [annotator]
        return [event for name in who for event in self._state.get((name, sample), ())]

    def by(self, annotator: str) -> dict[int, int]:
        """Return the class numbers that an annotator gave, by sample."""
        self._refresh()
        return {
            sample: events[0].label
            for (name, sample), events in self._state.items()
            if name == annotator and events[0].label >= 0
        }

    def done(self, annotator: str | None = None) -> set[int]:
        """Return the samples that one has, or anybody has, labelled or skipped."""
        self._refresh()
        return {sample for name, sample in self._state if annotator in (None, name)}

    def consensus(self, policy: Policy = "majority") -> dict[int, int]:
        """Return one class number for each sample on which the annotators decide.

        Parameters
        ----------
        policy
            ``"majority"`` (a draw decides nothing), ``"unanimous"``, or ``"latest"``.
        """
        if policy not in POLICIES:
            raise UsageError(
                f"There is no policy {policy!r}.{suggestion(policy, POLICIES)} There are: "
                f"{', '.join(POLICIES)}."
            )
        self._refresh()
        given: dict[int, list[Event]] = {}
        for (_, sample), events in self._state.items():
            if events[0].label >= 0:
                given.setdefault(sample, []).append(events[0])
        decided = ((s, _decided(events, policy)) for s, events in sorted(given.items()))
        return {sample: label for sample, label in decided if label is not None}

    def disagreements(self) -> list[int]:
        """Return the samples that annotators gave different classes."""
        self._refresh()
        said: dict[int, set[int]] = {}
        for (_, sample), events in self._state.items():
            if events[0].label >= 0:
                said.setdefault(sample, set()).add(events[0].label)
        return sorted(sample for sample, labels in said.items() if len(labels) > 1)

    def agreement(self) -> list[dict[str, Any]]:
        """Return for each two annotators: shared samples, equal labels, Cohen's kappa."""
        return pairs({name: self.by(name) for name in self.annotators})

    def counts(self) -> dict[str, int]:
        """Return how many samples have each class, by the majority."""
        counted = Counter(self.consensus().values())
        return {name: counted.get(number, 0) for number, name in enumerate(self.classes)}

    def table(self) -> pd.DataFrame:
        """Return what stands, one row a label, with columns x, y, width and height for boxes."""
        import pandas as pd

        self._refresh()
        rows = []
        for key in sorted(self._state, key=lambda key: (key[1], key[0])):
            for event in self._state[key]:
                row: dict[str, Any] = {"sample": event.sample, "label": self.name_of(event.label)}
                row |= {"annotator": event.annotator, "time": pd.Timestamp(event.time, unit="s")}
                if event.box is not None:
                    row |= dict(zip(("x", "y", "width", "height"), event.box, strict=True))
                rows.append(row)
        return pd.DataFrame(
            rows, columns=None if rows else ["sample", "label", "annotator", "time"]
        )

    def name_of(self, label: int) -> str | None:
        """Return the class of that number; None for no class."""
        return self.classes[label] if label >= 0 else None

    def info(self) -> dict[str, Any]:
        """Describe them as ``data label --json`` prints it."""
        done = self.done()
        return {
            "dataset": self.dataset.path,
            "path": str(self.path),
            "kind": self.kind,
            "classes": self.classes,
            "samples": len(self.dataset),
            "labelled": len(done),
            "skipped": sum(events[0].label == SKIPPED for events in self._state.values()),
            "annotators": {name: len(self.done(name)) for name in self.annotators},
            "counts": self.counts(),
            "agreement": self.agreement(),
            "disagreements": self.disagreements(),
        }

    def as_of(self, when: float) -> Labels:
        """Return them as they were at a time, in seconds since the epoch."""
        return Labels(self.dataset, self.path, until=when)

    def __len__(self) -> int:
        return len(self.done())

    def __repr__(self) -> str:
        return (
            f"<Labels of {self.dataset.name}: {len(self):,} of {len(self.dataset):,} samples, "
            f"{len(self.annotators)} annotator{'s' * (len(self.annotators) != 1)}>"
        )

    # ---- the state, from the log

    def _append(
        self,
        annotator: str,
        sample: int,
        labels: Sequence[int],
        boxes: Sequence[Sequence[float]] | None = None,
        *,
        undoes: int | None = None,
    ) -> None:
        if not 0 <= sample < len(self.dataset):
            last = len(self.dataset) - 1
            raise UsageError(f"{self.dataset.name} has no sample {sample}; it has 0 to {last}.")
        if not annotator.strip():
            raise UsageError("A label needs the name of who gives it.")
        if self._until is not None:
            raise UsageError("These are labels as they were; open the present ones to add to them.")
        self._log.append(annotator, sample, labels, boxes, when=time.time(), undoes=undoes)
        self._take_up()

    def _refresh(self) -> None:
        if self._log.refresh():
            self._take_up()

    def _take_up(self) -> None:
        for action in _grouped(self._log.events[self._used :]):
            if self._until is not None and action[0].time > self._until:
                continue
            key = (action[0].annotator, action[0].sample)
            if action[0].label == WITHDRAWN:
                self._state.pop(key, None)
            else:
                self._state[key] = action
        self._used = len(self._log.events)

    def _standing(self, annotator: str) -> list[list[Event]]:
        """Return an annotator's actions, without those taken back, and those that took back."""
        own = [a for a in _grouped(self._log.events) if a[0].annotator == annotator]
        taken_back = {action[0].undoes for action in own}
        return [a for a in own if a[0].undoes is None and a[0].action not in taken_back]

    def _number(self, label: str | int) -> int:
        if isinstance(label, str):
            if label in self.classes:
                return self.classes.index(label)
        elif 0 <= label < len(self.classes):
            return label
        raise UsageError(
            f"There is no class {label!r}.{suggestion(str(label), self.classes)} There are: "
            f"{', '.join(self.classes)}."
        )


def _grouped(events: Sequence[Event]) -> list[list[Event]]:
    """Return the events of each action together."""
    actions: dict[int, list[Event]] = {}
    for event in events:
        actions.setdefault(event.action, []).append(event)
    return list(actions.values())


def _decided(events: Sequence[Event], policy: Policy) -> int | None:
    if policy == "latest":
        return max(events, key=lambda event: (event.time, event.action)).label
    ranked = Counter(event.label for event in events).most_common()
    if len(ranked) > 1 and (policy == "unanimous" or ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]
