"""One annotator at work: which samples come next, and what becomes of each answer.

A page asks by small JSON documents, and so a notebook's widget and a server do it alike.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lepton_jlab.data.label.events import SKIPPED
from lepton_jlab.data.label.labels import Labels
from lepton_jlab.data.label.queue import Queue
from lepton_jlab.data.label.showing import shown
from lepton_jlab.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

AHEAD = 6  # samples that a page has ready
ORDERED = {"sequence": "in sequence", "random": "at random"}  # for people
_CONFIRMS = 2  # annotators at least, before agreement is told


class Session:
    """One annotator's way through a dataset.

    Parameters
    ----------
    labels
        Where answers are kept.
    annotator
        Who gives them.
    queue
        The order of samples.
    order
        What the order is, for people.
    """

    def __init__(self, labels: Labels, annotator: str, queue: Queue, order: str) -> None:
        self.labels = labels
        self.annotator = annotator
        self.order = order
        self._queue = queue
        self._lock = threading.Lock()

    def reorder(self, scores: ArrayLike, order: str) -> None:
        """Ask for the samples with the highest of `scores`, shape ``(samples,)``, first."""
        with self._lock:
            self._queue.rank_by(scores)
            self.order = order

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a page asks.

        Parameters
        ----------
        request
            ``do``: ``open``, ``give`` (with ``sample`` and ``label``), ``boxes`` (with ``sample``
            and ``boxes``, each with ``label`` and ``box``), ``skip`` (with ``sample``), ``undo`` or
            ``reorder``; and ``have``, the samples that the page has.

        Returns
        -------
        dict
            ``state``, more ``samples``, whether they are ``reordered``, and what was ``undone``.

        Raises
        ------
        LeptonError
            If it cannot be done; nothing is kept then.
        """
        do, have = request.get("do"), set(request.get("have", ()))
        answer: dict[str, Any] = {"reordered": do == "reorder", "undone": None}
        try:
            answer["undone"] = self._do(do, request)
        except KeyError as error:
            raise UsageError(f"To {do} a label, {error} is needed.") from error
        done = self.labels.done(self.annotator)
        with self._lock:
            first = self._queue.first(AHEAD, without=done)
        answer["samples"] = [self.document(n) for n in first if n not in have]
        answer["state"] = self.state(len(done))
        return answer

    def _do(self, do: Any, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Keep what was said; return the sample whose label was taken back."""
        if do == "give":
            self.labels.give(request["sample"], request["label"], self.annotator)
        elif do == "boxes":
            boxes = [(box["label"], box["box"]) for box in request["boxes"]]
            self.labels.give_boxes(request["sample"], boxes, self.annotator)
        elif do == "skip":
            self.labels.skip(request["sample"], self.annotator)
        elif do == "undo":
            sample = self.labels.undo(self.annotator)
            return None if sample is None else self.document(sample)
        elif do not in ("open", "reorder"):
            raise UsageError(f"A labelling page asked for {do!r}, which nobody knows.")
        return None

    def document(self, sample: int) -> dict[str, Any]:
        """Return a sample as a page shows it, with what the annotator has said of it."""
        given = self.labels.of(sample, self.annotator)
        return {
            **shown(self.labels.dataset, self.labels.kind, sample),
            "given": [{"label": e.label, "box": e.box} for e in given if e.label >= 0],
            "skipped": any(event.label == SKIPPED for event in given),
        }

    def state(self, done: int) -> dict[str, Any]:
        """Return what a page shows beside the sample."""
        labels = self.labels
        return {
            "name": labels.dataset.name,
            "kind": labels.kind,
            "classes": labels.classes,
            "counts": labels.counts(),
            "done": done,
            "total": len(labels.dataset),
            "annotator": self.annotator,
            "order": self.order,
            "agreement": self._agreement(),
        }

    def _agreement(self) -> str:
        if len(self.labels.annotators) < _CONFIRMS:
            return ""
        told = []
        for pair in self.labels.agreement():
            if self.annotator in pair["annotators"] and pair["kappa"] is not None:
                (other,) = set(pair["annotators"]) - {self.annotator}
                told.append(f"{other}: κ {pair['kappa']:.2f} on {pair['shared']}")
        return ", ".join(told)
