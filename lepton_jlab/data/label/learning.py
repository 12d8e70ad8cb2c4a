"""Which samples a model that was trained on the labels so far is least sure of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.label.queue import Measure, doubt
from lepton_jlab.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.dataset import Dataset

EPOCHS = 10
BATCH = 32


def doubts(
    build: Callable[[], Any],
    dataset: Dataset,
    given: Mapping[int, int],
    *,
    measure: Measure = "margin",
    epochs: int = EPOCHS,
) -> NDArray[np.float64]:
    """Train a new model on labelled samples, and return how unsure it is of each sample.

    Parameters
    ----------
    build
        Makes a compiled Keras classifier that takes ``x`` and gives probabilities or logits of
        shape ``(batch, classes)``, with a loss for class numbers.
    dataset
        All samples, labelled or not.
    given
        Class numbers by sample.
    measure
        See `lepton_jlab.data.label.queue.doubt`.

    Returns
    -------
    ndarray
        Shape ``(samples,)``.

    Raises
    ------
    UsageError
        If fewer than two classes were given.
    """
    if len(set(given.values())) < 2:
        raise UsageError("A model needs labels of two classes before it can doubt.")
    samples = np.array(sorted(given))
    targets = np.array([given[sample] for sample in samples.tolist()])
    model = build()
    x = dataset.x[samples]
    model.fit(x, targets, epochs=epochs, batch_size=min(BATCH, len(samples)), verbose=0)
    out: list[NDArray[Any]] = []
    step = 2048
    for start in range(0, len(dataset), step):
        block = dataset.x[start : start + step]
        out.append(np.asarray(model.predict(block, batch_size=256, verbose=0)))
    return doubt(_probabilities(np.concatenate(out)), measure)


def _probabilities(outputs: NDArray[Any]) -> NDArray[np.float64]:
    values = outputs.astype(np.float64)
    if values.min() >= 0 and np.allclose(values.sum(axis=1), 1, atol=1e-3):
        return values
    values = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(values / values.sum(axis=1, keepdims=True))
