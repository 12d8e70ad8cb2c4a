"""The Keras model of a version, traced once for batches of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lepton_jlab.models.serving.runtimes import Run
from lepton_jlab.models.serving.runtimes.tensorflow import calling, limit_threads
from lepton_jlab.models.version import Version


def load(version: Version, file: Path, threads: int) -> Run:  # noqa: ARG001 - it knows its file
    """Load it."""
    limit_threads(threads)
    import tensorflow as tf

    from lepton_jlab.models.signature import _packed, named

    model = version.load()
    inputs = version.inputs
    specs = [tf.TensorSpec(t["shape"], t["dtype"], name=t["name"]) for t in inputs]

    def answer(*tensors: Any) -> Any:
        return named(model, model(_packed(model, inputs, tensors), training=False))

    function = tf.function(answer, input_signature=specs, autograph=False)
    concrete = function.get_concrete_function()
    return calling(version, concrete, model)
