"""Reads Keras models from files, and says what is wrong where that fails."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from lepton_jlab.errors import LeptonError, MissingDependencyError


def tensorflow_here() -> Any:
    """Import TensorFlow, which says then only what goes wrong.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingDependencyError("TensorFlow, which models need,", "cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow

    return tensorflow


def keras_here() -> Any:
    """Import Keras with TensorFlow below it.

    Raises
    ------
    MissingDependencyError
        If there is no TensorFlow.
    LeptonError
        If Keras computes with something else.
    """
    tensorflow_here()
    import keras

    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise LeptonError(
            f"Keras computes with {backend} here; models are saved and exported by TensorFlow. Set "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )
    return keras


def load_keras(path: Path, what: str) -> Any:
    """Return the Keras model in a ``.keras`` or HDF5 file.

    Parameters
    ----------
    what
        How to call it in an error.

    Raises
    ------
    LeptonError
        If it cannot be loaded.
    """
    keras = keras_here()
    try:
        return keras.models.load_model(path)
    except MemoryError:
        raise
    except Exception as error:  # Keras and h5py have many kinds
        first = next(iter(str(error).splitlines()), type(error).__name__)[:300]
        raise LeptonError(
            f"{what} cannot be loaded by Keras: {first} If it uses classes or functions of its own,"
            " import the module where they are registered "
            "(@keras.saving.register_keras_serializable), load it there, and give the model itself."
        ) from error
