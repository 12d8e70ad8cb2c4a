"""The labelling page in a notebook: an anywidget that hands what is typed to a `Session`."""

from __future__ import annotations

import getpass
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import anywidget

from lepton_jlab.data.label import Labels, open_labels
from lepton_jlab.data.label.queue import Order, Queue
from lepton_jlab.data.label.session import ORDERED, Session
from lepton_jlab.errors import LeptonError
from lepton_jlab.panel.pages import script, style

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lepton_jlab.data.label.labels import Kind
    from lepton_jlab.runs import Run


class Labelling(anywidget.AnyWidget):
    """The page. Get one by `label`.

    Parameters
    ----------
    session
        One annotator at work.
    build, every
        Makes the model that orders the samples, and after how many labels it is trained anew.
    """

    _esm = script("labelling")
    _css = style()

    def __init__(
        self, session: Session, build: Callable[[], Any] | None = None, every: int = 25
    ) -> None:
        super().__init__()
        self.session = session
        self._build = build
        self._every = every
        self._trained_at = 0
        self._run: Run | None = None
        self.on_msg(self._hear)

    @property
    def labels(self) -> Labels:
        """The labels, as they are now."""
        return self.session.labels

    def _hear(self, _widget: object, request: dict[str, Any], _buffers: object) -> None:
        try:
            answer = self.session.answer(request)
        except LeptonError as error:
            answer = {"error": str(error)}
        self.send({**answer, "id": request["id"]})
        if self._build is not None and "error" not in answer:
            self._retrain()

    def _retrain(self) -> None:
        """Train on what is labelled, as a run on the cluster, when there is enough that is new."""
        given = self.labels.consensus("latest")
        if self._run is not None or len(given) < self._trained_at + self._every:
            return
        self._trained_at = len(given)
        from lepton_jlab.data.label.learning import doubts
        from lepton_jlab.runs import submit

        build, dataset = self._build, self.labels.dataset
        assert build is not None

        def order_by_doubt() -> Any:
            return doubts(build, dataset, given)

        try:
            run: Any = submit(order_by_doubt, name=f"label-{dataset.name}")
        except LeptonError as error:
            self._say(f"{self.session.order.partition(' (')[0]} (not retrained: {error})")
            return
        self._run = run
        threading.Thread(
            target=self._take, args=(run, len(given)), name="lepton-label", daemon=True
        ).start()

    def _take(self, run: Run, labels: int) -> None:
        run.wait()
        if run.state == "done":
            self.session.reorder(
                run.values["result"], f"by the doubt of a model of {labels} labels ({run.id})"
            )
        else:
            why = (run.error or {}).get("message", run.state)
            self.session.order += f" (not retrained: {run.id} {why})"
        self._run = None
        self._say(self.session.order)

    def _say(self, order: str) -> None:
        self.session.order = order
        self.send({"pushed": True, **self.session.answer({"do": "reorder"})})

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        info = self.labels.info()
        text = (
            f"{info['labelled']:,} of {info['samples']:,} samples of {self.labels.dataset.name} "
            f"labelled, kept in {self.labels.path.name}."
        )
        data["text/plain"] = text
        return bundle


def label(
    path: str | os.PathLike[str],
    classes: Sequence[str] | None = None,
    *,
    kind: Kind | None = None,
    annotator: str | None = None,
    order: Order = "sequence",
    seed: int = 0,
    scores: ArrayLike | None = None,
    model: Callable[[], Any] | None = None,
    every: int = 25,
    name: str = "labels",
) -> Labelling:
    """Label a dataset, in the notebook, by keys; every label is kept at once.

    Parameters
    ----------
    path
        The dataset, a folder of this machine. It is not changed: labels are in
        ``NAME.labels.zarr`` beside it.
    classes
        Names of the classes; those of the dataset by default.
    kind
        ``"image"``, ``"boxes"``, ``"text"``, ``"plot"`` or ``"row"``; by default what samples are.
    annotator
        Who labels; the user by default.
    order
        ``"sequence"`` or ``"random"``, with `seed`; until there are scores.
    scores
        Shape ``(samples,)``: those with the highest come first.
    model
        Makes a compiled Keras classifier. It is trained on the labels in the background, as a run,
        and samples of which it is least sure come first.
    every
        After so many labels it is trained anew.
    name
        Of these labels among others of the same dataset.

    Raises
    ------
    NotFoundError
        If there is no such dataset.
    UsageError
        If something named cannot be.

    Examples
    --------
    >>> work = lepton.label("photos.zarr", ["cat", "dog"])   # doctest: +SKIP
    >>> work.labels.agreement()                              # doctest: +SKIP
    """
    labels = open_labels(path, classes, kind, name=name)
    queue = Queue(len(labels.dataset), order, seed)
    told = ORDERED[order]
    if scores is not None:
        queue.rank_by(scores)
        told = "by scores"
    return Labelling(Session(labels, annotator or getpass.getuser(), queue, told), model, every)
