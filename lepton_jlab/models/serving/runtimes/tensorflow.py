"""Calls a concrete function of TensorFlow with arrays, with little around it."""

from __future__ import annotations

import os
from typing import Any

from lepton_jlab.models.serving.runtimes import Run
from lepton_jlab.models.serving.tensors import Arrays
from lepton_jlab.models.version import Version


def limit_threads(threads: int) -> None:
    """Keep TensorFlow to its share of the cores; it heeds that until its first operation."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # already at work, as in a race of several runtimes
        pass


def calling(version: Version, function: Any, alive: Any) -> Run:
    """Return `function` as a `Run`; `alive` is kept as long as that is."""
    import tensorflow as tf

    names = [tensor["name"] for tensor in version.inputs]
    dtypes = {t["name"]: tf.dtypes.as_dtype(t["dtype"]) for t in version.inputs}
    keywords = _keywords(function, names)

    def run(inputs: Arrays) -> Arrays:
        tensors = {keywords[name]: tf.constant(inputs[name], dtypes[name]) for name in names}
        return {name: value.numpy() for name, value in function(**tensors).items()}

    run.alive = alive  # type: ignore[attr-defined]
    return run


def _keywords(function: Any, names: list[str]) -> dict[str, str]:
    """Return what the function calls its arguments: TensorFlow makes names valid in Python."""
    given = list(function.structured_input_signature[1]) or [
        spec.name for spec in function.structured_input_signature[0]
    ]
    if set(given) == set(names):
        return {name: name for name in names}
    return dict(zip(names, given, strict=True))
