"""The OpenAPI 3.1 description of an endpoint."""

from __future__ import annotations

from typing import Any

from lepton_jlab.models.serving.tensors import OPEN_TYPE, Signature, Tensor

_ERRORS = {
    "400": "The request is wrong; the message says where.",
    "401": "The token is missing or wrong.",
    "413": "The request is too large.",
    "503": "Too many wait already; try again after Retry-After seconds.",
    "504": "Not answered in time.",
}


def describe(
    name: str, version: str, signature: Signature | None, functions: list[dict[str, Any]]
) -> dict[str, Any]:
    """Describe all addresses of an endpoint."""
    paths: dict[str, Any] = {}
    for path, about in (
        ("/v2/health/live", "Whether the endpoint answers at all"),
        ("/v2/health/ready", "Whether it can answer requests"),
        ("/v2", "About the endpoint"),
        ("/metrics", "Counters for Prometheus"),
    ):
        paths[path] = {"get": _operation(about, openly="health" in path)}
    if signature is not None:
        paths |= _of_model(signature)
    for function in functions:
        paths[f"/{function['name']}"] = {
            "post": _operation(
                function["about"] or function["name"], function["takes"], function["gives"]
            )
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Lepton endpoint {name}", "version": version},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
        "paths": paths,
    }


def _of_model(signature: Signature) -> dict[str, Any]:
    tf, v2 = f"/v1/models/{signature.name}", f"/v2/models/{signature.name}"
    row = _one_or_named([(t, _nested(t, 1)) for t in signature.inputs])
    column = _one_or_named([(t, _nested(t, 0)) for t in signature.inputs])
    answers = _one_or_named([(t, _nested(t, 1)) for t in signature.outputs])
    columns = _one_or_named([(t, _nested(t, 0)) for t in signature.outputs])
    named = _object({t.name: _nested(t, 1) for t in signature.inputs})
    examples = _object({"examples": {"type": "array", "items": named}}, required=["examples"])
    predict = {
        "oneOf": [
            _object({"instances": {"type": "array", "items": row}}, required=["instances"]),
            _object({"inputs": column}, required=["inputs"]),
        ]
    }
    predicted = {
        "oneOf": [
            _object({"predictions": {"type": "array", "items": answers}}),
            _object({"outputs": columns}),
        ]
    }
    scored = {"type": "array", "items": {"type": "array", "prefixItems": [{"type": "string"}]}}
    classes = _object({"result": {"type": "array", "items": scored}})
    numbers = _object({"result": {"type": "array", "items": {"type": "number"}}})
    return {
        tf: {"get": _operation("State of the version, as TensorFlow Serving says it")},
        f"{tf}/metadata": {"get": _operation("Signature, as TensorFlow Serving says it")},
        f"{tf}:predict": {"post": _operation("Predict", predict, predicted)},
        f"{tf}:classify": {"post": _operation("Classes with scores", examples, classes)},
        f"{tf}:regress": {"post": _operation("One number a sample", examples, numbers)},
        v2: {"get": _operation("Inputs and outputs, Open Inference Protocol")},
        f"{v2}/ready": {"get": _operation("Whether the model can answer")},
        f"{v2}/infer": {
            "post": _operation(
                "Infer, Open Inference Protocol; also with binary tensors",
                _tensors("inputs", signature.inputs),
                _tensors("outputs", signature.outputs),
            )
        },
    }


def _operation(
    about: str, takes: Any = None, gives: Any = None, *, openly: bool = False
) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "The answer"}
    if gives is not None:
        answer["content"] = {"application/json": {"schema": gives}}
    codes = _ERRORS if takes is not None else {} if openly else {"401": _ERRORS["401"]}
    operation: dict[str, Any] = {
        "summary": about,
        "responses": {"200": answer, **{code: {"description": t} for code, t in codes.items()}},
    }
    if takes is not None:
        body = {"required": True, "content": {"application/json": {"schema": takes}}}
        operation["requestBody"] = body
    if openly:
        operation["security"] = []
    return operation


def _nested(tensor: Tensor, skip: int) -> dict[str, Any]:
    kind = {"b": "boolean", "s": "string"}.get(tensor.dtype[0], "number")
    if "int" in tensor.dtype:
        kind = "integer"
    schema: dict[str, Any] = {"type": kind}
    for size in reversed(tensor.shape[skip:]):
        schema = {"type": "array", "items": schema}
        if size is not None:
            schema |= {"minItems": size, "maxItems": size}
    return schema


def _one_or_named(found: list[tuple[Tensor, dict[str, Any]]]) -> dict[str, Any]:
    if len(found) == 1:
        return found[0][1]
    return _object({tensor.name: schema for tensor, schema in found})


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return schema | ({"required": required} if required else {})


def _tensors(key: str, tensors: tuple[Tensor, ...]) -> dict[str, Any]:
    one = _object(
        {
            "name": {"enum": [tensor.name for tensor in tensors]},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"enum": sorted({OPEN_TYPE[tensor.dtype] for tensor in tensors})},
            "data": {"type": "array"},
        },
        ["name", "shape", "datatype"],
    )
    return _object({key: {"type": "array", "items": one}}, [key])
