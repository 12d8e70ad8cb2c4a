"""The Open Inference Protocol, version 2, with binary tensors and Triton's classification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lepton_jlab.models.serving.tensors import (
    OPEN_TYPE,
    Array,
    Arrays,
    Call,
    RefusedError,
    Reply,
    Signature,
    Tensor,
    check,
    from_lists,
    read_json,
    rows_of,
    shape_text,
    write_json,
)

HEADER = b"inference-header-content-length"
EXTENSIONS = ["binary_tensor_data", "classification"]


def metadata(signature: Signature) -> dict[str, Any]:
    """Answer ``GET /v2/models/NAME``."""
    return {
        "name": signature.name,
        "versions": [str(signature.version)],
        "platform": signature.platform,
        "inputs": [_described(tensor) for tensor in signature.inputs],
        "outputs": [_described(tensor) for tensor in signature.outputs],
    }


def _described(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": OPEN_TYPE[tensor.dtype], "shape": tensor.sizes}


def infer(signature: Signature, body: bytes, header: int) -> Call:
    """Read a request of ``/infer``.

    Parameters
    ----------
    header
        Bytes of its JSON; what follows are binary tensors. -1 where all is JSON.
    """
    view = memoryview(body)
    if header > len(body):
        raise RefusedError(
            f"The body has {len(body)} bytes, its header {HEADER.decode()} says {header}."
        )
    request = read_json(view[:header] if header >= 0 else body)
    if not isinstance(request, dict):
        raise RefusedError("The request is not a JSON object.")
    given = request.get("inputs")
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise RefusedError("The request has no 'inputs', a list of tensors.")
    binary = view[header:] if header >= 0 else view[:0]
    inputs: dict[str, Array] = {}
    place = 0
    for one in given:
        tensor = signature.input(str(one.get("name")))
        if tensor.name in inputs:
            raise RefusedError(f"Input {tensor.name!r} is given twice.")
        size = _parameters(one).get("binary_data_size")
        if size is not None:
            end = place + _whole(size, "binary_data_size")
            if end > len(binary):
                raise RefusedError(
                    f"Input {tensor.name!r} is to have {size} bytes; "
                    f"{len(binary) - place} bytes are left of the body."
                )
            inputs[tensor.name] = check(signature, tensor, _binary(tensor, one, binary[place:end]))
            place = end
        else:
            inputs[tensor.name] = check(signature, tensor, _listed(tensor, one))
    if place < len(binary):
        raise RefusedError(f"{len(binary) - place} bytes of the body belong to no input.")
    for tensor in signature.inputs:
        if tensor.name not in inputs:
            raise RefusedError(f"Input {tensor.name!r} is missing; it takes {tensor}.")
    wanted = _wanted(signature, request)
    identifier = request.get("id")

    def write(outputs: Arrays) -> Reply:
        return _reply(signature, identifier, wanted, outputs)

    return Call(inputs, rows_of(inputs), write)


def _parameters(one: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = one.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise RefusedError("'parameters' is not an object.")
    return parameters


def _whole(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RefusedError(f"{what!r} is not a whole number: {str(value)[:40]}.")
    return value


def _shape(tensor: Tensor, one: Mapping[str, Any]) -> tuple[int, ...]:
    datatype = one.get("datatype")
    if datatype != OPEN_TYPE[tensor.dtype]:
        raise RefusedError(
            f"Input {tensor.name!r} is {datatype} in the request; the model takes "
            f"{OPEN_TYPE[tensor.dtype]}."
        )
    shape = one.get("shape")
    if not isinstance(shape, list):
        raise RefusedError(f"Input {tensor.name!r} has no 'shape'.")
    return tuple(_whole(size, "shape") for size in shape)


def _listed(tensor: Tensor, one: Mapping[str, Any]) -> Array:
    """Make a tensor of 'data', which may be nested or flat."""
    shape = _shape(tensor, one)
    if "data" not in one:
        raise RefusedError(f"Input {tensor.name!r} has neither 'data' nor 'binary_data_size'.")
    array = from_lists(tensor, one["data"])
    return _shaped(tensor, array, shape, "values")


def _binary(tensor: Tensor, one: Mapping[str, Any], data: memoryview) -> Array:
    shape = _shape(tensor, one)
    if tensor.dtype == "string":
        array = np.array(_texts(tensor, data), object)
    else:
        dtype = np.dtype(tensor.dtype)
        if len(data) % dtype.itemsize:
            raise RefusedError(
                f"Input {tensor.name!r} has {len(data)} bytes, which are no whole {dtype.name}s."
            )
        array = np.frombuffer(data, dtype)
    return _shaped(tensor, array, shape, "values in its bytes")


def _shaped(tensor: Tensor, array: Array, shape: tuple[int, ...], what: str) -> Array:
    if array.shape == shape:
        return array
    # What one value more or less would overflow is not computed with NumPy's fixed width.
    count = 1
    for size in shape:
        count *= size
    if array.size != count:
        raise RefusedError(
            f"Input {tensor.name!r} has {array.size} {what}; its shape {shape_text(shape)} needs "
            f"{count}."
        )
    return array.reshape(shape)


def _texts(tensor: Tensor, data: memoryview) -> list[bytes]:
    found, place = [], 0
    while place < len(data):
        start = place + 4
        place = start + int.from_bytes(data[place:start], "little")
        if start > len(data) or place > len(data):
            raise RefusedError(f"Input {tensor.name!r}: the length of a text passes the end.")
        found.append(bytes(data[start:place]))
    return found


def _wanted(signature: Signature, request: Mapping[str, Any]) -> list[tuple[str, bool, int]]:
    """Return the outputs to answer: name, whether binary, and how many classes, or 0."""
    binary = bool(_parameters(request).get("binary_data_output", False))
    names = [tensor.name for tensor in signature.outputs]
    asked = request.get("outputs")
    if not asked:
        return [(name, binary, 0) for name in names]
    if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
        raise RefusedError("'outputs' is not a list of objects.")
    wanted = []
    for one in asked:
        if one.get("name") not in names:
            raise RefusedError(
                f"{signature.name!r} has no output {one.get('name')!r}. It answers: "
                f"{', '.join(map(repr, names))}."
            )
        parameters = _parameters(one)
        classes = _whole(parameters.get("classification", 0), "classification")
        wanted.append((one["name"], bool(parameters.get("binary_data", binary)), classes))
    return wanted


def _reply(
    signature: Signature, identifier: Any, wanted: list[tuple[str, bool, int]], outputs: Arrays
) -> Reply:
    listed: list[dict[str, Any]] = []
    parts: list[bytes] = []
    plain: list[Array] = []
    for name, binary, classes in wanted:
        array = np.ascontiguousarray(outputs[name])
        if classes:
            array = _top(array, classes, signature.classes)
        text = array.dtype.kind in "OSU"
        datatype = "BYTES" if text else OPEN_TYPE[array.dtype.name]
        entry: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(array.shape)}
        if binary:
            data = _packed(array) if text else array.tobytes()
            entry["parameters"] = {"binary_data_size": len(data)}
            parts.append(data)
        elif text:
            flat = array.reshape(-1).tolist()
            entry["data"] = [
                v.decode(errors="replace") if isinstance(v, bytes) else v for v in flat
            ]
        else:
            entry["data"] = array.reshape(-1)
            plain.append(entry["data"])
        listed.append(entry)
    document: dict[str, Any] = {
        "model_name": signature.name,
        "model_version": str(signature.version),
    }
    if identifier is not None:
        document["id"] = identifier
    document["outputs"] = listed
    head = write_json(document, *plain)
    if not parts:
        return Reply(200, head)
    size = str(len(head)).encode()
    return Reply(200, b"".join([head, *parts]), b"application/octet-stream", ((HEADER, size),))


def _top(scores: Array, count: int, classes: tuple[str, ...] | None) -> Array:
    """Return ``score:index:class`` of the best classes of each sample."""
    order = np.argsort(-scores, axis=-1, kind="stable")[..., :count]
    best = np.take_along_axis(scores, order, axis=-1)
    texts = np.empty(order.shape, object)
    for place in np.ndindex(order.shape):
        index = int(order[place])
        label = f":{classes[index]}" if classes and index < len(classes) else ""
        texts[place] = f"{best[place]:f}:{index}{label}".encode()
    return texts


def _packed(array: Array) -> bytes:
    values = (v.encode() if isinstance(v, str) else bytes(v) for v in array.reshape(-1).tolist())
    return b"".join(len(value).to_bytes(4, "little") + value for value in values)
