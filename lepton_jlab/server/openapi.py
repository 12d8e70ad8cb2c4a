"""The OpenAPI 3.1 description, made of the table of routes."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from lepton_jlab import __version__
from lepton_jlab.server.routes import BASE, ROUTES, Route
from lepton_jlab.server.schemas import COMPONENTS, Schema, named

_PROBLEMS = {
    "400": "What was sent cannot be; nothing was changed.",
    "403": "Not logged in, not allowed, or without the XSRF token.",
    "404": "There is no such thing.",
    "409": "It cannot be done now; with `forcible`, force=true would do it.",
    "501": "This installation lacks a library for it.",
    "503": "Too many calls are under way.",
    "504": "What was asked did not answer in time.",
}


@cache
def describe() -> dict[str, Any]:
    """Return the description."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(f"/{BASE}/{route.path}", {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lepton",
            "version": __version__,
            "description": "Clusters, runs, datasets, models and resources, as the sidebar and the "
            "magics have them. Live changes come over the websocket `lepton/api/events`.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`token TOKEN`, as for Jupyter's own routes",
                }
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": route.summary}
    if route.returns:
        answer["content"] = _json(named(route.returns))
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}_{route.path}").strip("_"),
        "summary": route.summary,
        "tags": [route.path.partition("/")[0]],
        "responses": {str(route.status): answer, **dict(_problems())},
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in route.arguments
    ]
    parameters += [
        {"name": name, "in": "query", "required": name in route.needed, "schema": schema}
        for name, schema in route.query.items()
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": bool(route.body.get("required")),
            "content": _json(route.body),
        }
    return operation


def _problems() -> dict[str, Any]:
    return {
        code: {"description": about, "content": _json(named("Error"))}
        for code, about in _PROBLEMS.items()
    }


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
