"""A Keras model as a SavedModel: names for what it takes and answers, and its signatures."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.errors import LeptonError, UsageError
from lepton_jlab.models.version import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

# What Keras itself calls an input that was given no name.
_NAMELESS = re.compile(r"(keras_tensor|input_layer|input)(_\d+)?")


def inputs_of(model: Any, samples: Arrays | None) -> list[Tensor]:
    """Return what a model takes; `samples` stand for it where the model does not know yet.

    Raises
    ------
    UsageError
        If a model that was never called comes without samples.
    """
    known = _symbolic(model)
    if known:
        found = [
            {"name": name, "shape": [None, *tensor.shape[1:]], "dtype": str(tensor.dtype)}
            for name, tensor in zip(_names(known), known, strict=True)
        ]
    elif samples:
        found = [
            {"name": n, "shape": [None, *v.shape[1:]], "dtype": _dtype(v)}
            for n, v in samples.items()
        ]
    else:
        raise UsageError(
            "This model does not know its inputs: it was made without an Input, or by a class of "
            "its own. Give samples of what it takes: --samples DATASET (samples=…)."
        )
    return [Tensor(**facts) for facts in found]  # type: ignore[typeddict-item]


def write(model: Any, inputs: Sequence[Tensor], folder: Path) -> list[Tensor]:
    """Write `model` as a SavedModel with the signature ``serving_default``.

    Returns
    -------
    list of Tensor
        What it answers.

    Raises
    ------
    LeptonError
        If TensorFlow cannot trace it.
    """
    import keras
    import tensorflow as tf

    specs = [tf.TensorSpec(t["shape"], t["dtype"], name=t["name"]) for t in inputs]

    def serve(*tensors: Any) -> dict[str, Any]:
        return named(model, model(_packed(model, inputs, tensors), training=False))

    try:
        if not model.built:
            blank = [
                tf.zeros([1, *(size or 1 for size in t["shape"][1:])], t["dtype"]) for t in inputs
            ]
            model(_packed(model, inputs, blank))
        archive = keras.export.ExportArchive()
        archive.track(model)
        function = archive.add_endpoint("serving_default", serve, input_signature=specs)
        with _less_talk():
            archive.write_out(str(folder), verbose=False)
    except MemoryError:
        raise
    except Exception as error:  # tracing raises whatever the model's own code raises
        first = next(iter(str(error).splitlines()), type(error).__name__)[:300]
        raise LeptonError(f"The model cannot be written as a SavedModel: {first}") from error
    answers = function.get_concrete_function().structured_outputs
    return [
        Tensor(
            name=name,
            shape=[None, *(tensor.shape.as_list()[1:] if tensor.shape.rank else [])],
            dtype=tensor.dtype.name,
        )
        for name, tensor in answers.items()
    ]


def named(model: Any, answer: Any) -> dict[str, Any]:
    """Return a model's answer as tensors by name: ``y`` where it is one without a name."""
    import keras

    if isinstance(answer, Mapping):
        return {str(key): value for key, value in answer.items()}
    flat = keras.tree.flatten(answer)
    if len(flat) == 1:
        return {"y": flat[0]}
    names = getattr(model, "output_names", None)
    if not names or len(set(names)) != len(flat):
        names = [f"y_{i}" for i in range(len(flat))]
    return dict(zip(names, flat, strict=True))


def open_signature(folder: Path) -> Any:
    """Return a function of a saved version: tensors by input name to tensors by output name.

    It keeps what it needs alive as long as it is.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    function = loaded.signatures["serving_default"]

    def answer(**tensors: Any) -> Any:
        return function(**tensors)

    answer.loaded = loaded  # type: ignore[attr-defined]
    answer.function = function  # type: ignore[attr-defined]
    return answer


def run(function: Any, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """Call a signature with arrays, and return arrays."""
    import tensorflow as tf

    tensors = {name: tf.constant(values) for name, values in inputs.items()}
    return {name: value.numpy() for name, value in function(**tensors).items()}


def _symbolic(model: Any) -> list[Any]:
    """Return a model's symbolic inputs, none if it has not got any."""
    try:
        return list(model.inputs or [])
    except (AttributeError, ValueError):  # a subclass, or a Sequential that was not built
        return []


def _names(tensors: Sequence[Any]) -> list[str]:
    given = [str(tensor.name) for tensor in tensors]
    if len(tensors) == 1:
        return ["x" if _NAMELESS.fullmatch(given[0]) else given[0]]
    if any(map(_NAMELESS.fullmatch, given)) or len(set(given)) < len(given):
        return [f"x_{i}" for i in range(len(given))]
    return given


def _packed(model: Any, inputs: Sequence[Tensor], tensors: Sequence[Any]) -> Any:
    """Return tensors in the structure that the model is called with."""
    import keras

    functional = getattr(model, "_functional", None) or model
    structure = getattr(functional, "_inputs_struct", None)
    if structure is not None:
        return keras.tree.pack_sequence_as(structure, list(tensors))
    if len(tensors) == 1:
        return tensors[0]
    return {tensor["name"]: value for tensor, value in zip(inputs, tensors, strict=True)}


def _dtype(values: NDArray[Any]) -> str:
    return "string" if values.dtype.kind in "OTUS" else str(values.dtype)


@contextmanager
def _less_talk() -> Iterator[None]:
    """Keep TensorFlow from saying where it writes: that is a folder that is renamed afterwards."""
    log = logging.getLogger("tensorflow")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)
