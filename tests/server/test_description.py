"""The OpenAPI description is right, and no request that follows it, or nearly, breaks anything."""

from __future__ import annotations

from unittest import SkipTest

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode

from lepton_jlab.server.openapi import describe
from lepton_jlab.server.routes import ROUTES, Route

from .conftest import Answer, Server, check

MISSING = ("MissingDependencyError",)  # 501: this installation lacks it


def test_the_description_is_valid_openapi():
    OpenAPIV31SpecValidator(describe()).validate()


def test_it_has_each_route_once():
    described = {
        (method.upper(), path.removeprefix("/lepton/api/"))
        for path, methods in describe()["paths"].items()
        for method in methods
    }
    assert described == {(route.method, route.path) for route in ROUTES}
    names = [
        operation["operationId"]
        for methods in describe()["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))


@pytest.mark.integration
def test_it_is_served(server: Server):
    assert server.get("openapi.json") == describe()


@pytest.mark.integration
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("route", ROUTES, ids=[f"{r.method} {r.path}" for r in ROUTES])
def test_no_request_breaks_the_server(server: Server, route: Route, mode: GenerationMode):
    schema = schemathesis.openapi.from_dict(describe())
    operation = schema[f"/lepton/api/{route.path}"][route.method]
    headers = {"Authorization": f"token {server.token}"}

    @settings(
        max_examples=5,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def holds(case: schemathesis.Case) -> None:
        if route.path == "clusters" and isinstance(case.body, dict):
            case.body["engine"] = "nowhere"  # so that no cluster is started by chance
        got = case.call(base_url=server.url.rstrip("/"), headers=headers)
        if got.status_code in (404, 405) and "Error" not in got.text[:20]:
            return  # another path or method than the route's: Jupyter's own answer
        document = got.json() if got.text else None
        assert got.status_code < 500 or document["error"]["kind"] in MISSING, got.text
        check(route, Answer(got.status_code, document, got.text))

    try:
        holds()
    except (Unsatisfiable, SkipTest) as error:  # nothing in it can be wrong
        pytest.skip(str(error))
