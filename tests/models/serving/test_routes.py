"""Every address of an endpoint: none without its token, none misunderstood."""

from __future__ import annotations

import asyncio
import json

import pytest

from lepton_jlab.models.serving.app import OPEN, App
from lepton_jlab.models.serving.desk import Desk
from lepton_jlab.models.serving.http import Limits, Server
from lepton_jlab.models.serving.metrics import Metrics
from lepton_jlab.models.serving.tensors import Signature, Tensor

from .wire import Wire, listening, post

TOKEN = "right-token"
SIGNATURE = Signature(
    "one", 3, (Tensor("x", (None, 2), "float32"),), (Tensor("y", (None, 2), "float32"),)
)
FUNCTION = {"name": "top", "about": "Best.", "takes": {"type": "object"}, "gives": {}}


class Served(Server):
    """An endpoint without workers: what is queued is answered late."""

    def __init__(self):
        metrics = Metrics("one")
        self.desk = Desk(2, 0.5, metrics)
        self.app = App("one", TOKEN, self.desk, metrics)
        self.app.show(SIGNATURE, [FUNCTION])
        super().__init__(self.app.look, self.app.serve, Limits())

    async def close(self, grace):
        self.desk.close()
        await super().close(grace)


@pytest.fixture(scope="module")
def served():
    with listening(Served) as (port, server):
        yield port, server


@pytest.fixture
def ask(served):
    def ask(method, path, token=TOKEN, body=b"", **headers):
        wire = Wire(served[0])
        if token is not None:
            headers["authorization"] = token if " " in token else f"Bearer {token}"
        request = post(path, body, **headers).replace(b"POST", method.encode(), 1)
        wire.send(request)
        status, answered, content = wire.answer()
        wire.close()
        return status, answered, content

    return ask


def routes():
    """Return what the application really serves."""

    async def make():
        server = Served()
        server.desk.close()
        return [(method, path) for path, methods in server.app.routes.items() for method in methods]

    return asyncio.run(make())


ROUTES = routes()


def test_the_table_of_routes_is_that_of_both_protocols():
    paths = {path for _, path in ROUTES}
    wanted = [
        "/v1/models/one",
        "/v1/models/one/metadata",
        "/v1/models/one/versions/3:predict",
        "/v1/models/one/labels/stable:classify",
        "/v2",
        "/v2/health/live",
        "/v2/models/one/infer",
        "/v2/models/one/versions/3/infer",
        "/openapi.json",
        "/metrics",
        "/top",
    ]
    assert paths >= set(wanted)
    assert {("POST", "/v1/models/one:predict"), ("GET", "/v2/models/one/ready")} <= set(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "token", [None, "wrong", "right-toke", "right-token2", "Basic right-token", "Bearer "]
)
def test_without_the_token_only_health_is_answered(ask, method, path, token):
    status, headers, body = ask(method, path, token)
    if path in OPEN:
        assert status in (200, 503)
    else:
        assert status == 401
        assert headers["www-authenticate"] == "bearer"
        assert "Authorization: Bearer" in json.loads(body)["error"]


@pytest.mark.parametrize("path", ["/nowhere", "/", "/v1/models/other:predict", "/top/", "/%74op"])
def test_what_there_is_and_is_not_is_told_to_nobody_without_a_token(ask, path):
    assert ask("GET", path, None)[0] == ask("POST", path, "wrong")[0] == 401


@pytest.mark.parametrize(("method", "path"), [r for r in ROUTES if r[0] == "GET"])
def test_every_get_answers_with_the_token(ask, method, path):
    status, _, body = ask(method, path)
    assert status == (503 if path == "/v2/health/ready" else 200)  # there is no worker here
    if path != "/metrics":
        assert json.loads(body)


def test_the_scheme_may_be_written_as_one_likes(ask):
    assert ask("GET", "/v2", f"bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/nowhere", 404, "nothing at /nowhere"),
        ("POST", "/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        ("POST", "/v1/models/one/versions/9:predict", 404, "Specific(one, 9)"),
        ("POST", "/v1/models/one/labels/beta:predict", 404, "version label: beta"),
        ("POST", "/v1/models/one:dream", 404, "predict, classify, regress"),
        ("POST", "/v2/models/other/infer", 404, "unknown model: 'other'"),
        ("POST", "/v2/models/one/versions/9/infer", 404, "Specific(one, 9)"),
        ("GET", "/v1/models/one:predict", 405, "takes POST, not GET"),
        ("DELETE", "/v2/models/one", 405, "takes GET, not DELETE"),
        ("POST", "/metrics", 405, "takes GET"),
    ],
)
def test_what_is_not_there(ask, method, path, status, said):
    got, headers, body = ask(method, path)
    assert got == status
    assert said in json.loads(body)["error"]
    assert ("allow" in headers) == (status == 405)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"content_type": "image/png"}, "image/png"),
        ({"content_type": "multipart/form-data; boundary=x"}, "multipart/form-data"),
        ({"content_encoding": "br"}, "br"),
    ],
)
def test_content_that_cannot_be_read_is_415(ask, headers, said):
    status, _, body = ask("POST", "/v1/models/one:predict", body=b"{}", **headers)
    assert status == 415
    assert said in json.loads(body)["error"]


def test_a_header_length_that_is_no_number(ask):
    header = {"inference_header_content_length": "ten"}
    assert ask("POST", "/v2/models/one/infer", body=b"{}", **header)[0] == 400


def test_without_a_worker_a_request_waits_for_504_and_a_full_queue_is_503(served):
    wires = [Wire(served[0]) for _ in range(3)]
    answers = []
    for wire in wires:
        head = {"authorization": f"Bearer {TOKEN}"}
        wire.send(post("/v1/models/one:predict", b'{"instances": [[1, 2]]}', **head))
        if wire is not wires[-1]:
            while len(served[1].desk) != wires.index(wire) + 1:
                pass
    for wire in reversed(wires):
        answers.append(wire.answer())
        wire.close()
    assert [status for status, _, _ in answers] == [503, 504, 504]
    assert answers[0][1]["retry-after"] == "1"
    assert "0.5 s" in json.loads(answers[1][2])["error"]


def test_the_description_is_openapi_and_has_every_route(ask):
    document = json.loads(ask("GET", "/openapi.json")[2])
    assert document["openapi"] == "3.1.0"
    described = {(m.upper(), p) for p, methods in document["paths"].items() for m in methods}
    variants = ("/versions/", "/labels/", "/openapi.json", "/v2/repository")
    plain = {(m, p) for m, p in ROUTES if not any(v in p for v in variants)}
    assert described == plain
    import jsonschema

    schema = document["paths"]["/v1/models/one:predict"]["post"]["requestBody"]
    schema = schema["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"instances": [[1, 2]]}, schema)
    for wrong in ({"instances": [[1]]}, {"instances": [["a", 2]]}, {}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_metrics_are_what_prometheus_reads(ask):
    from prometheus_client.parser import text_string_to_metric_families

    ask("POST", "/v1/models/one:predict", body=b'{"instances": [[1, 2]]}')
    families = {
        f.name: f for f in text_string_to_metric_families(ask("GET", "/metrics")[2].decode())
    }
    [sample] = [
        s for s in families["lepton_requests"].samples
        if s.name.endswith("_total") and s.labels["code"] == "504"
    ]  # fmt: skip
    assert sample.labels["verb"] == "predict"
    assert sample.value >= 1
