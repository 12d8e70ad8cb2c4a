"""Reads what a request says: query and body, checked against the route's schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from lepton_jlab.errors import UsageError
from lepton_jlab.server.routes import ROUTES, Route
from lepton_jlab.server.schemas import Schema

_WORDS = {"1": True, "true": True, "0": False, "false": False}


def read_query(route: Route, given: Mapping[str, list[bytes]]) -> dict[str, Any]:
    """Return the query's values by name, each of the type that the route wants.

    Raises
    ------
    UsageError
        When one is missing, or is something else. Names that the route does not know are left out:
        front ends add some against caches.
    """
    found: dict[str, Any] = {}
    for name, schema in route.query.items():
        if name not in given:
            if name in route.needed:
                raise UsageError(f"{route.path} needs {name}: ?{name}=…")
            continue
        found[name] = _value(name, given[name][-1], schema)
    _check(_query_validator(ROUTES.index(route)), found, "query")
    return found


def read_body(route: Route, body: bytes) -> dict[str, Any]:
    """Return the body's fields; UsageError when it is not what the route takes."""
    if route.body is None:
        return {}
    try:
        document = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The body is not JSON: {error}") from error
    _check(_body_validator(ROUTES.index(route)), document, "body")
    fields: dict[str, Any] = document
    return fields


def _value(name: str, raw: bytes, schema: Schema) -> Any:
    try:
        word = raw.decode()
        kind = schema["type"]
        if kind == "boolean":
            return _WORDS[word.lower()]
        if kind == "integer":
            return int(word)
        return float(word) if kind == "number" else word
    except (ValueError, KeyError):
        raise UsageError(f"{name}: {raw!r} is not {schema['type']}.") from None


def _check(validator: Any, document: Any, part: str) -> None:
    error = next(iter(validator.iter_errors(document)), None)
    if error is not None:
        where = "/".join(map(str, error.absolute_path)) or f"the {part}"
        raise UsageError(f"{where}: {error.message[:300]}")


@cache
def _body_validator(number: int) -> Any:
    return _validator(ROUTES[number].body or {})


@cache
def _query_validator(number: int) -> Any:
    return _validator({"type": "object", "properties": dict(ROUTES[number].query)})


def _validator(schema: Schema) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema)
