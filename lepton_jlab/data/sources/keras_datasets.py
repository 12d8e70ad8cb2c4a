"""Datasets that come with Keras, as keras:mnist; Keras downloads and keeps them."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.sources import Loaded, Samples, with_channel, without_label
from lepton_jlab.errors import DataError, MissingDependencyError, NotFoundError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORM = "keras:NAME (keras:mnist, keras:cifar10 …)"

CLOTHES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"]
CLOTHES += ["Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
THINGS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CLASSES = {"fashion_mnist": CLOTHES, "cifar10": THINGS}


def accepts(source: str) -> bool:
    """Whether `source` begins with ``keras:``."""
    return source.startswith("keras:")


def load(source: str, label: str | None) -> Loaded:
    """Load it by Keras, quietly."""
    without_label(label, FORM)
    name = source.removeprefix("keras:").replace("-", "_")
    try:
        import keras
    except ImportError as error:
        raise MissingDependencyError("Keras", "cpu") from error
    known = [n for n in dir(keras.datasets) if hasattr(getattr(keras.datasets, n), "load_data")]
    if name not in known:
        near = suggestion(name, known) or f" There are: {', '.join(known)}."
        raise NotFoundError(f"Keras has no dataset {name!r}.{near}")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bar
            train, test = getattr(keras.datasets, name).load_data()
    except Exception as error:  # urllib's, ssl's and Keras's own kinds
        raise DataError(f"Keras could not load {name!r}: {error}") from error
    parts = {"": _arrays(name, *train), "test": _arrays(name, *test)}
    return Loaded(parts, f"keras.datasets.{name}", CLASSES.get(name))


def _arrays(name: str, x: NDArray[Any], y: NDArray[Any]) -> dict[str, Samples]:
    if x.dtype == object:
        raise DataError(
            f"keras:{name} has samples of different lengths; pad them to an .npz first."
        )
    return {"x": with_channel(x), "y": np.squeeze(y, axis=1) if y.shape[1:] == (1,) else y}
