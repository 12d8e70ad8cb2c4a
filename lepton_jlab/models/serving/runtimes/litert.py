"""A LiteRT export: one interpreter for each of a few batch sizes, smaller batches filled up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lepton_jlab.models.serving.runtimes import Run, by_order
from lepton_jlab.models.serving.tensors import Array, Arrays
from lepton_jlab.models.version import Version

# To resize an interpreter costs more than a small model's answer.
_SIZES = (1, 2, 4, 8, 16, 32)


def load(version: Version, file: Path, threads: int) -> Run:
    """Load it."""
    from ai_edge_litert.interpreter import Interpreter

    known: dict[tuple[int, ...], _Sized] = {}

    def run(inputs: Arrays) -> Arrays:
        rows = len(next(iter(inputs.values())))
        parts = [step(inputs, start, min(rows, start + 32)) for start in range(0, rows, 32)]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def step(inputs: Arrays, start: int, stop: int) -> Arrays:
        size = next(size for size in _SIZES if size >= stop - start)
        key = (size, *(n for array in inputs.values() for n in array.shape[1:]))
        if key not in known:
            if len(known) > 4 * len(_SIZES):  # inputs of many shapes
                known.clear()
            shapes = {name: (size, *array.shape[1:]) for name, array in inputs.items()}
            known[key] = _Sized(Interpreter(str(file), num_threads=threads), version, shapes)
        return known[key].run({name: array[start:stop] for name, array in inputs.items()})

    return run


class _Sized:
    """An interpreter with its memory laid out for one shape of its inputs."""

    def __init__(self, interpreter: Any, version: Version, shapes: dict[str, Any]) -> None:
        names = [tensor["name"] for tensor in version.inputs]
        details = {detail["name"]: detail for detail in interpreter.get_input_details()}
        own = by_order(names, list(details))
        for name in names:
            interpreter.resize_tensor_input(details[own[name]]["index"], shapes[name])
        interpreter.allocate_tensors()
        self._interpreter = interpreter
        self._inputs = {name: details[own[name]] for name in names}
        outputs = _outputs(interpreter, [tensor["name"] for tensor in version.outputs])
        self._outputs = outputs

    def run(self, inputs: Arrays) -> Arrays:
        interpreter = self._interpreter
        rows = 0
        for name, array in inputs.items():
            rows = len(array)
            detail = self._inputs[name]
            view = interpreter.tensor(detail["index"])()
            view[:rows] = _quantized(array, detail)
            view[rows:] = 0
            del view  # it may not be there while the interpreter works
        interpreter.invoke()
        return {
            name: _floats(interpreter.get_tensor(detail["index"])[:rows], detail)
            for name, detail in self._outputs.items()
        }


def _outputs(interpreter: Any, names: list[str]) -> dict[str, Any]:
    """Find the outputs by the names of the signature: a converted file lists them as it likes."""
    details = {detail["name"]: detail for detail in interpreter.get_output_details()}
    if len(names) == 1:
        return {names[0]: next(iter(details.values()))}
    signatures = interpreter.get_signature_list()
    if signatures:
        key = next(iter(signatures))
        runner = interpreter.get_signature_runner(key)
        listed = runner.get_output_details()
        if set(listed) == set(names):
            return {name: listed[name] for name in names}
    own = by_order(names, list(details))
    return {name: details[own[name]] for name in names}


def _quantized(array: Array, detail: Any) -> Array:
    scale, zero = detail["quantization"]
    if not scale or array.dtype == detail["dtype"]:
        return array
    limits = np.iinfo(detail["dtype"])
    scaled = np.round(array / scale + zero)
    values: Array = np.clip(scaled, limits.min, limits.max).astype(detail["dtype"])
    return values


def _floats(array: Array, detail: Any) -> Array:
    scale, zero = detail["quantization"]
    if not scale or array.dtype.kind == "f":
        return array
    values: Array = ((array.astype(np.float32) - zero) * scale).astype(np.float32)
    return values
