"""In which order samples come to be labelled: as they are, at random, or by what a model doubts."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lepton_jlab.errors import UsageError, suggestion

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Measure = Literal["margin", "entropy", "least-confident"]
Order = Literal["sequence", "random"]
MEASURES: tuple[Measure, ...] = ("margin", "entropy", "least-confident")
ORDERS: tuple[Order, ...] = ("sequence", "random")


class Queue:
    """The samples in the order in which they are asked for; the order may change meanwhile.

    Parameters
    ----------
    samples
        How many there are.
    order
        ``"sequence"`` or ``"random"``, until there are scores.
    seed
        Of the random order.
    """

    def __init__(self, samples: int, order: Order = "sequence", seed: int = 0) -> None:
        if order not in ORDERS:
            raise UsageError(
                f"There is no order {order!r}.{suggestion(order, ORDERS)} There are: "
                f"{', '.join(ORDERS)}; or give scores."
            )
        numbers = np.arange(samples)
        self._ranks = (
            np.random.default_rng(seed).permutation(numbers) if order == "random" else numbers
        )

    def rank_by(self, scores: ArrayLike) -> None:
        """Ask for the samples with the highest scores first.

        Parameters
        ----------
        scores
            Shape ``(samples,)``; where not finite, such a sample comes last. For label errors use
            1 - quality.

        Raises
        ------
        UsageError
            If there is not one for each sample.
        """
        values = np.asarray(scores, dtype=np.float64)
        if values.shape != self._ranks.shape:
            raise UsageError(
                f"Scores have the shape {values.shape}; {len(self._ranks)} samples need one each."
            )
        self._ranks = np.argsort(-np.where(np.isfinite(values), values, -np.inf), kind="stable")

    def first(self, count: int, without: Collection[int] = ()) -> list[int]:
        """Return the next `count` samples that are not among `without`."""
        found: list[int] = []
        for sample in self._ranks:
            if len(found) == count:
                break
            if sample not in without:
                found.append(int(sample))
        return found


def doubt(probabilities: ArrayLike, measure: Measure = "margin") -> NDArray[np.float64]:
    """Return how unsure a model is of each sample, the higher the more.

    Parameters
    ----------
    probabilities
        Shape ``(samples, classes)``, each row of sum 1.
    measure
        ``"margin"``: 1 - (first - second); ``"entropy"`` in nats; ``"least-confident"``: 1 - first.

    Raises
    ------
    UsageError
        If the shape or the measure is another.

    References
    ----------
    B. Settles, "Active Learning Literature Survey", University of Wisconsin-Madison, Computer
    Sciences Technical Report 1648 (2009), section 3.1.
    """
    rows: NDArray[Any] = np.asarray(probabilities, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise UsageError(f"Probabilities have the shape (samples, classes), not {rows.shape}.")
    if measure == "entropy":
        return np.asarray(-np.sum(rows * np.log(np.clip(rows, 1e-12, None)), axis=1))
    first, second = np.partition(rows, -2, axis=1)[:, :-3:-1].T
    if measure == "margin":
        return np.asarray(1 - (first - second))
    if measure == "least-confident":
        return np.asarray(1 - first)
    raise UsageError(f"There is no measure {measure!r}. There are: {', '.join(MEASURES)}.")
