"""Out-of-sample predictions: a model a fold, trained on the others; each can be a run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.preview import is_picture
from lepton_jlab.errors import DataError, MissingDependencyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.dataset import Dataset

FOLDS = 5
EPOCHS = (8, 24)  # few where there are many samples
STEPS = 2000
WORDS = 20_000
Build = Callable[["Dataset"], Any]


@dataclass(frozen=True, slots=True)
class Fold:
    """What one fold needs: the samples that are known, and which of them it predicts."""

    dataset: Dataset
    known: NDArray[np.int64]
    predicted: NDArray[np.int64]
    classes: int
    build: Build | None
    epochs: int | None
    seed: int


def fold_numbers(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Deal groups of equal samples into folds: a model must not have seen what it predicts."""
    count = int(groups.max(initial=-1)) + 1
    dealt = np.random.default_rng(seed).permutation(count) % folds
    numbers: NDArray[np.int64] = dealt[groups]
    return numbers


def predict(fold: Fold) -> NDArray[np.float32]:
    """Train on what is known and return the probabilities of what is not, shape (samples, classes).

    Raises
    ------
    MissingDependencyError
        If Keras and TensorFlow are not installed.
    DataError
        If the model predicts something else than a probability a class.
    """
    try:
        import keras
        import tensorflow  # noqa: F401 - the engine of Keras here
    except ImportError as error:
        raise MissingDependencyError("TensorFlow, which finds label errors,", "cpu") from error
    keras.utils.set_random_seed(fold.seed)
    train = prepared(fold.dataset.select(fold.known))
    model = (fold.build or functools.partial(default_model, classes=fold.classes))(train)
    epochs = fold.epochs or int(np.clip(STEPS * 128 // max(1, len(train)), *EPOCHS))
    model.fit(train.batches(128, shuffle=True, seed=fold.seed), epochs=epochs, verbose=0)
    # Of inputs alone: labels of what is predicted stay out of it.
    held = fold.dataset.select(fold.predicted).prepared(train.recipe)
    made = np.asarray(model.predict(held.batches(1024), verbose=0), np.float32)
    if made.shape != (len(fold.predicted), fold.classes):
        raise DataError(
            f"The model predicts {made.shape[1:]} a sample; to find label errors it must give "
            f"{fold.classes} probabilities, one a class."
        )
    return made


def kind_of(dataset: Dataset) -> str:
    """Return what the inputs are: ``"image"``, ``"text"`` or ``"vector"``."""
    if dataset.x.dtype.kind in "TUSO":
        return "text"
    return "image" if is_picture(dataset.x) else "vector"


def prepared(dataset: Dataset) -> Dataset:
    """Prepare the inputs for `default_model`, unless they are prepared already."""
    if dataset.recipe:
        return dataset
    if kind_of(dataset) == "text":
        return dataset.tokenize(vocabulary=WORDS, mode="multi_hot")
    return dataset.normalize(missing="mean", each=None if kind_of(dataset) == "vector" else False)


def default_model(dataset: Dataset, classes: int) -> Any:
    """Return a small network for this kind of inputs, compiled for class numbers."""
    import keras
    from keras import layers

    kind = kind_of(dataset)
    shape = np.asarray(dataset.recipe(dataset.x[:1])).shape[1:]
    body: list[Any] = [layers.Input(shape)]
    if kind == "image":
        if len(shape) == 2:
            body.append(layers.Reshape((*shape, 1)))
        for width in (32, 64):
            body += [
                layers.Conv2D(width, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Dropout(0.2),
            ]
        body += [layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.4)]
    elif kind == "vector":
        body += [layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.3)]
        body += [layers.Dense(64, activation="relu"), layers.Dropout(0.3)]
    model = keras.Sequential([*body, layers.Dense(classes, activation="softmax")])
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    return model
