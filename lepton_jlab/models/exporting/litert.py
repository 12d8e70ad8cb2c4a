"""LiteRT (TensorFlow Lite): conversion of a SavedModel, and the runtime that checks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.errors import LeptonError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.generic]]

SIGNATURE = "serving_default"


def convert(model: Path, file: Path, quantize: str, calibration: Arrays | None) -> None:
    """Write a LiteRT file.

    Parameters
    ----------
    model
        Folder of a SavedModel.
    quantize : {"none", "dynamic", "int8"}
        Weights as they are; weights as 8-bit integers; weights and activations as 8-bit integers,
        with inputs and outputs that stay as they are.
    calibration
        Inputs by name from which int8 learns the ranges of activations.

    Raises
    ------
    LeptonError
        If LiteRT has not got an operation that the model needs.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(model), signature_keys=[SIGNATURE])
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "int8" and calibration is not None:
        ranges = calibration

        def singly() -> Iterator[dict[str, Any]]:
            for i in range(len(next(iter(ranges.values())))):
                yield {name: values[i : i + 1] for name, values in ranges.items()}

        converter.representative_dataset = singly
    try:
        made = converter.convert()
    except MemoryError:
        raise
    except Exception as error:
        text = str(error)
        if "Select TF ops" in text or "custom ops" in text.lower():
            missing = next((line for line in text.splitlines() if "ops:" in line), "").strip()
            raise LeptonError(
                f"LiteRT has not got all operations of this model ({missing}). Move preprocessing "
                "of texts out of the model, or export it to onnx."
            ) from error
        first = next(iter(text.splitlines()), type(error).__name__)[:300]
        raise LeptonError(f"LiteRT cannot convert this model: {first}") from error
    file.write_bytes(made)


class Runner:
    """Runs a LiteRT file."""

    def __init__(self, file: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(file))
        self._run = self._interpreter.get_signature_runner(SIGNATURE)

    def __call__(self, inputs: Arrays) -> Arrays:
        answers: Arrays = self._run(**inputs)
        return answers
