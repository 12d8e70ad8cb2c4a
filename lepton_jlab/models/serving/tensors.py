"""What a served model takes and answers, and the checks that all protocols make alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = Mapping[str, Array]

# NumPy's name, the Open Inference Protocol's, TensorFlow's.
_TYPES = (
    ("bool", "BOOL", "DT_BOOL"),
    ("uint8", "UINT8", "DT_UINT8"),
    ("uint16", "UINT16", "DT_UINT16"),
    ("uint32", "UINT32", "DT_UINT32"),
    ("uint64", "UINT64", "DT_UINT64"),
    ("int8", "INT8", "DT_INT8"),
    ("int16", "INT16", "DT_INT16"),
    ("int32", "INT32", "DT_INT32"),
    ("int64", "INT64", "DT_INT64"),
    ("float16", "FP16", "DT_HALF"),
    ("bfloat16", "BF16", "DT_BFLOAT16"),
    ("float32", "FP32", "DT_FLOAT"),
    ("float64", "FP64", "DT_DOUBLE"),
    ("string", "BYTES", "DT_STRING"),
)
OPEN_TYPE = {name: open_type for name, open_type, _ in _TYPES}
TF_TYPE = {name: tf_type for name, _, tf_type in _TYPES}


class RefusedError(Exception):
    """A request that cannot be answered: the HTTP status, and one sentence for its sender."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output.

    Attributes
    ----------
    shape
        The first axis is the samples; what is free is None.
    dtype
        NumPy's name, or ``string``.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    @property
    def sizes(self) -> list[int]:
        """The shape with -1 for what is free."""
        return [-1 if size is None else size for size in self.shape]

    def __str__(self) -> str:
        return f"{self.dtype} {shape_text(self.sizes)}"


@dataclass(frozen=True, slots=True)
class Signature:
    """What clients see of one version of a model."""

    name: str
    version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    classes: tuple[str, ...] | None = None
    platform: str = ""
    not_finite: bool = False  # whether NaN and infinity are let through to the model

    def input(self, name: str) -> Tensor:
        """Return an input by its name."""
        for tensor in self.inputs:
            if tensor.name == name:
                return tensor
        listed = ", ".join(repr(tensor.name) for tensor in self.inputs)
        raise RefusedError(f"{self.name!r} has no input {name!r}. It takes: {listed}.")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer on its way from a worker to the client."""

    status: int
    body: bytes
    kind: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read: rows for the model, and how its answer is written.

    Attributes
    ----------
    inputs
        Of all the model's inputs, each ``(rows, …)`` in its dtype.
    write
        Makes the reply from the outputs of just these rows.
    """

    inputs: Arrays
    rows: int
    write: Callable[[Arrays], Reply]


def refusal(error: RefusedError) -> Reply:
    """Make the error form of both protocols."""
    return Reply(error.status, orjson.dumps({"error": str(error)}))


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape: ``(*, 28, 28, 1)``."""
    inner = ", ".join("*" if size < 0 else str(size) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def read_json(body: bytes | memoryview) -> Any:
    """Read JSON, and also the tokens NaN and Infinity, as TensorFlow Serving and Triton do."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(bytes(body))
        except (ValueError, RecursionError):
            text = str(error)
    raise RefusedError(f"The body is not JSON: {text}.")


def write_json(document: Any, *arrays: Array) -> bytes:
    """Write JSON that has arrays in it; what is not finite as NaN and Infinity."""
    if all(array.dtype.kind != "f" or np.isfinite(array).all() for array in arrays):
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(document, default=lambda value: value.tolist()).encode()


def from_lists(tensor: Tensor, values: Any) -> Array:
    """Make an array of nested lists.

    Raises
    ------
    RefusedError
        When they are ragged or hold something else than the input's dtype.
    """
    if tensor.dtype == "string":
        return np.asarray(_bytes(values), object)
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError):
        raise RefusedError(
            f"Input {tensor.name!r}: its lists differ in length; it takes {tensor}."
        ) from None
    return _cast(tensor, array)


def _cast(tensor: Tensor, array: Array) -> Array:
    wanted = np.dtype(tensor.dtype)
    kinds = {"f": "fiu", "V": "fiu", "b": "b"}.get(wanted.kind, "iu")
    if array.dtype.kind not in kinds and array.size:
        found = {"U": "text", "O": "null or mixed values", "b": "true or false", "f": "fractions"}
        raise RefusedError(
            f"Input {tensor.name!r} takes {tensor}; the request has "
            f"{found.get(array.dtype.kind, array.dtype.name)}."
        )
    if wanted.kind in "iu" and array.size:
        low, high = np.iinfo(wanted).min, np.iinfo(wanted).max
        if array.min() < low or array.max() > high:
            raise RefusedError(f"Input {tensor.name!r} takes {wanted.name}: {low} to {high}.")
    with np.errstate(over="ignore"):
        return array.astype(wanted, copy=False)


def check(signature: Signature, tensor: Tensor, array: Array) -> Array:
    """Return `array` if it is what the input takes.

    Samples of one value may come without their last axis: ``(rows,)`` for ``(rows, 1)``.

    Raises
    ------
    RefusedError
        With the shape that is wanted, or the place of the first value that is not finite.
    """
    shape = tensor.shape
    if array.ndim == 1 and len(shape) == 2 and shape[1] == 1:
        array = array.reshape(-1, 1)
    fits = array.ndim == len(shape) and all(
        wanted is None or wanted == size for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise RefusedError(
            f"Input {tensor.name!r} takes {tensor}; the request has the shape "
            f"{shape_text(array.shape)}."
        )
    if not len(array):
        raise RefusedError(f"Input {tensor.name!r} has no samples.")
    if array.dtype.kind == "f" and not signature.not_finite:
        finite = np.isfinite(array)
        if not finite.all():
            place = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise RefusedError(
                f"Input {tensor.name!r} is {array[place]} at {list(place)}: NaN and infinity are "
                "refused. An endpoint deployed with --allow-nan takes them."
            )
    return array


def rows_of(inputs: Arrays) -> int:
    """Return how many samples there are; all inputs have as many.

    Raises
    ------
    RefusedError
        When they have not.
    """
    counts = {name: len(array) for name, array in inputs.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name!r} {count}" for name, count in counts.items())
        raise RefusedError(f"The inputs differ in their number of samples: {listed}.")
    return next(iter(counts.values()))


def _bytes(values: Any) -> Any:
    if isinstance(values, list):
        return [_bytes(value) for value in values]
    if isinstance(values, str):
        return values.encode()
    if isinstance(values, bytes):
        return values
    raise RefusedError(f"A text input was given {json.dumps(values)[:60]}.")
