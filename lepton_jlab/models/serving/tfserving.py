"""TensorFlow Serving's REST protocol: what it takes, what it answers, in its words."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np

from lepton_jlab.models.serving.tensors import (
    TF_TYPE,
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
    write_json,
)

SIGNATURE = "serving_default"


def status(signature: Signature) -> dict[str, Any]:
    """Answer ``GET /v1/models/NAME``."""
    fine = {"error_code": "OK", "error_message": ""}
    version = {"version": str(signature.version), "state": "AVAILABLE", "status": fine}
    return {"model_version_status": [version]}


def metadata(signature: Signature) -> dict[str, Any]:
    """Answer ``GET /v1/models/NAME/metadata``."""
    spec = {
        "name": signature.name,
        "signature_name": "",
        "version": str(signature.version),
    }
    definition = {
        "inputs": {tensor.name: _described(tensor) for tensor in signature.inputs},
        "outputs": {tensor.name: _described(tensor) for tensor in signature.outputs},
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": spec,
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: definition}}},
    }


def _described(tensor: Tensor) -> dict[str, Any]:
    sizes = [{"size": str(size), "name": ""} for size in tensor.sizes]
    return {
        "dtype": TF_TYPE[tensor.dtype],
        "tensor_shape": {"dim": sizes, "unknown_rank": False},
        "name": tensor.name,
    }


def predict(signature: Signature, body: bytes) -> Call:
    """Read a request of ``:predict``, in the row or the columnar form."""
    request = _request(signature, body)
    if ("instances" in request) == ("inputs" in request):
        found = "both of" if "inputs" in request else "neither of"
        raise RefusedError(
            f"The request has {found} 'instances' (a list of samples) and 'inputs' (an array); "
            "it takes one of them."
        )
    by_row = "instances" in request
    inputs = _rows(signature, request) if by_row else _columns(signature, request["inputs"])
    squeezed = [tensor.name for tensor in signature.inputs if inputs[tensor.name].ndim == 1]
    checked = {t.name: check(signature, t, inputs[t.name]) for t in signature.inputs}
    flat = any(checked[name].ndim == 2 for name in squeezed)

    def write(outputs: Arrays) -> Reply:
        if flat:
            outputs = {name: _flat(array) for name, array in outputs.items()}
        answer = _by_row(outputs) if by_row else _by_column(outputs)
        key = "predictions" if by_row else "outputs"
        return Reply(200, write_json({key: answer}, *outputs.values()))

    return Call(checked, rows_of(checked), write)


def classify(signature: Signature, body: bytes) -> Call:
    """Read a request of ``:classify``: its answer has each sample's classes with their scores."""
    call = _examples(signature, body)

    def write(outputs: Arrays) -> Reply:
        scores = _only(outputs, "classify")
        if scores.ndim == 1 or (scores.ndim == 2 and scores.shape[1] == 1):
            positive = scores.reshape(-1)
            scores = np.stack([1 - positive, positive], axis=1)
        if scores.ndim != 2:
            raise RefusedError(
                f"{signature.name!r} answers {signature.outputs[0]}, which are no scores of "
                "classes. Use :predict."
            )
        labels = signature.classes or tuple(map(str, range(scores.shape[1])))
        result = [
            [[label, score] for label, score in zip(labels, row, strict=False)]
            for row in scores.tolist()
        ]
        return Reply(200, write_json({"result": result}))

    return Call(call, rows_of(call), write)


def regress(signature: Signature, body: bytes) -> Call:
    """Read a request of ``:regress``: its answer has one number a sample."""
    call = _examples(signature, body)

    def write(outputs: Arrays) -> Reply:
        values = _flat(_only(outputs, "regress"))
        if values.ndim != 1:
            raise RefusedError(
                f"{signature.name!r} answers {signature.outputs[0]}, which is not one number a "
                "sample. Use :predict."
            )
        return Reply(200, write_json({"result": values}, values))

    return Call(call, rows_of(call), write)


def _request(signature: Signature, body: bytes) -> dict[str, Any]:
    request = read_json(body)
    if not isinstance(request, dict):
        raise RefusedError("The request is not a JSON object.")
    asked = request.get("signature_name") or SIGNATURE
    if asked != SIGNATURE:
        raise RefusedError(
            f'Serving signature name: "{asked}" not found in signature def of '
            f"{signature.name!r}; it has {SIGNATURE!r}."
        )
    return request


def _rows(signature: Signature, request: Mapping[str, Any]) -> dict[str, Array]:
    rows = request["instances"]
    if not isinstance(rows, list) or not rows:
        raise RefusedError("'instances' is not a list of one sample or more.")
    names = [tensor.name for tensor in signature.inputs]
    if isinstance(rows[0], dict) and set(rows[0]) != {"b64"}:
        for number, row in enumerate(rows):
            if not isinstance(row, dict) or set(row) != set(names):
                given = list(row) if isinstance(row, dict) else row
                raise RefusedError(
                    f"Sample {number} of 'instances' does not have just the inputs {names}: "
                    f"{str(given)[:100]}."
                )
        columns = {name: [row[name] for row in rows] for name in names}
    elif len(names) == 1:
        columns = {names[0]: rows}
    else:
        raise RefusedError(f"Each of 'instances' has to be an object with the inputs {names}.")
    return {t.name: _array(t, columns[t.name]) for t in signature.inputs}


def _columns(signature: Signature, given: Any) -> dict[str, Array]:
    names = [tensor.name for tensor in signature.inputs]
    if not isinstance(given, dict) or set(given) == {"b64"}:
        if len(names) > 1:
            raise RefusedError(f"'inputs' has to be an object with the inputs {names}.")
        given = {names[0]: given}
    for name in given:
        signature.input(name)
    if missing := [name for name in names if name not in given]:
        raise RefusedError(f"'inputs' lacks {missing[0]!r}. {signature.name!r} takes {names}.")
    return {t.name: _array(t, given[t.name]) for t in signature.inputs}


def _examples(signature: Signature, body: bytes) -> dict[str, Array]:
    request = _request(signature, body)
    examples = request.get("examples")
    if not isinstance(examples, list) or not examples:
        raise RefusedError("The request has no 'examples', a list of objects with features.")
    context = request.get("context") or {}
    if not isinstance(context, dict) or not all(isinstance(one, dict) for one in examples):
        raise RefusedError("'context' and each of 'examples' have to be objects with features.")
    rows = _rows(signature, {"instances": [context | example for example in examples]})
    return {t.name: check(signature, t, rows[t.name]) for t in signature.inputs}


def _array(tensor: Tensor, values: Any) -> Array:
    return from_lists(tensor, _decoded(values) if tensor.dtype == "string" else values)


def _decoded(value: Any) -> Any:
    """Return nested lists with bytes for each ``{"b64": …}``."""
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if isinstance(value, dict) and set(value) == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise RefusedError("A value of 'b64' is not base64.") from None
    return value


def _only(outputs: Arrays, verb: str) -> Array:
    if len(outputs) > 1:
        raise RefusedError(
            f"This model has {len(outputs)} outputs. :{verb} needs one; use :predict."
        )
    return next(iter(outputs.values()))


def _flat(array: Array) -> Array:
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _by_row(outputs: Arrays) -> Any:
    if len(outputs) == 1:
        return _json(*next(iter(outputs.items())))
    columns = {name: _json(name, array) for name, array in outputs.items()}
    count = len(next(iter(columns.values())))
    return [{name: column[row] for name, column in columns.items()} for row in range(count)]


def _by_column(outputs: Arrays) -> Any:
    if len(outputs) == 1:
        return _json(*next(iter(outputs.items())))
    return {name: _json(name, array) for name, array in outputs.items()}


def _json(name: str, array: Array) -> Any:
    """Return text as text, and as base64 where the output's name says that it is binary."""
    if array.dtype.kind not in "OSU":
        return np.ascontiguousarray(array)
    return _text(array.tolist(), binary=name.endswith("_bytes"))


def _text(value: Any, *, binary: bool) -> Any:
    if isinstance(value, list):
        return [_text(item, binary=binary) for item in value]
    data = value.encode() if isinstance(value, str) else value
    if binary:
        return {"b64": base64.b64encode(data).decode()}
    return data.decode(errors="replace")
