"""ONNX: conversion of a SavedModel by tf2onnx, and the runtime that checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.errors import LeptonError
from lepton_jlab.models.version import Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.generic]]

OPSET = 18  # the newest that tf2onnx writes


def convert(model: Path, file: Path, inputs: Sequence[Tensor]) -> None:
    """Write an ONNX file; LeptonError if tf2onnx has no word for an operation."""
    import tensorflow as tf
    import tf2onnx

    from lepton_jlab.models.signature import open_signature

    function = open_signature(model)
    names = [tensor["name"] for tensor in inputs]
    specs = [tf.TensorSpec(t["shape"], t["dtype"], name=t["name"]) for t in inputs]

    def serve(*tensors: Any) -> Any:
        return function(**dict(zip(names, tensors, strict=True)))

    try:
        made, _ = tf2onnx.convert.from_function(
            tf.function(serve, input_signature=specs, autograph=False),
            input_signature=specs,
            opset=OPSET,
        )
    except MemoryError:
        raise
    except Exception as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)[:300]
        raise LeptonError(f"tf2onnx cannot convert this model: {first}") from error
    if (found := {tensor.name for tensor in made.graph.input}) != set(names):
        raise LeptonError(f"tf2onnx calls the inputs {found}, which are {set(names)}.")
    file.write_bytes(made.SerializeToString())


class Runner:
    """Runs an ONNX file."""

    def __init__(self, file: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Arrays) -> Arrays:
        answers = self._session.run(self._names, dict(inputs))
        return dict(zip(self._names, answers, strict=True))
