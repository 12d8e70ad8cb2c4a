"""Nobody gets in without a login, from another site, or out of the folder: on every route."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import websocket

from lepton_jlab.server.routes import BASE, DASK, EVENTS, ROUTES, Route
from lepton_jlab.server.schemas import PATH

from .conftest import Server

pytestmark = pytest.mark.integration

FILLED = defaultdict(lambda: "nobody", id="r999999")  # what stands in a path
ESCAPES = (
    "../secret.npy",
    "inner/../../secret.npy",
    "/etc/passwd",
    "~/secret.npy",
    "link/secret.npy",
    "%2e%2e/secret.npy",
    "..%2fsecret.npy",
    "..\\secret.npy",
    "file:///etc/passwd",
    "inner/\0/../../secret.npy",
)
EVERY = [(route.method, route.path.format_map(FILLED)) for route in ROUTES]
EVERY += [
    ("GET", EVENTS.removeprefix(f"{BASE}/")),
    ("GET", f"{DASK.removeprefix(f'{BASE}/')}/nobody/status"),
]
IDS = [f"{method} {path}" for method, path in EVERY]


def sent(session: Any, server: Server, method: str, path: str, **headers: str) -> Any:
    body = "{}" if method == "POST" else None
    return session.request(
        method, server.api + path, data=body, headers=headers, timeout=30, allow_redirects=False
    )


@pytest.fixture(scope="module")
def rules() -> list[tuple[str, Any]]:
    """The rules of a real server's application that are Lepton's: pattern and handler."""
    from jupyter_server.serverapp import ServerApp

    app = ServerApp(token="t", jpserver_extensions={"lepton_jlab": True})
    app.initialize(argv=[], new_httpserver=False)
    found = []
    for outer in app.web_app.default_router.rules:
        for rule in getattr(outer.target, "rules", [outer]):
            regex = getattr(rule.matcher, "regex", None)
            if regex is not None and "lepton" in regex.pattern:
                found.append((regex.pattern.removeprefix("/").rstrip("$"), rule.target))
    ServerApp.clear_instance()
    return found


def test_the_table_has_every_route_of_the_server(rules):
    served = {pattern for pattern, _ in rules}
    assert served == {r.pattern for r in ROUTES} | {EVENTS, rf"{DASK}/(?P<name>[^/]+)/(?P<path>.*)"}


def test_each_method_that_a_handler_has_is_in_the_table(rules):
    for pattern, handler in rules:
        known = {r.method for r in ROUTES if r.pattern == pattern} or {"GET"}
        own = {name for one in handler.__mro__[:1] for name in vars(one)}
        assert {m for m in ("GET", "POST", "PUT", "PATCH", "DELETE") if m.lower() in own} == known


@pytest.mark.parametrize(("method", "path"), EVERY, ids=IDS)
def test_without_a_login(server, method, path):
    got = sent(requests, server, method, path)
    assert got.status_code == 403, got.text


@pytest.mark.parametrize(("method", "path"), EVERY, ids=IDS)
def test_with_a_wrong_token(server, method, path):
    got = sent(requests, server, method, path, Authorization="token wrong")
    assert got.status_code == 403, got.text
    got = requests.request(method, f"{server.api}{path}?token=wrong", data="{}", timeout=30)
    assert got.status_code == 403, got.text


@pytest.mark.parametrize(("method", "path"), EVERY, ids=IDS)
def test_from_another_site_with_the_cookie(server, method, path):
    session = server.browser()
    headers = {"Origin": "http://evil.example", "Referer": "http://evil.example/"}
    if path == "events" or path.startswith("dask/"):
        headers |= {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
    token = session.cookies.get("_xsrf")
    got = sent(
        session, server, method, path, **headers, **({"X-XSRFToken": token} if token else {})
    )
    assert got.status_code in (403, 404), got.text
    assert "evil" not in got.headers.get("Access-Control-Allow-Origin", "")
    assert "No cluster named" not in got.text  # it got no further than the door


CHANGING = [(method, path) for method, path in EVERY if method != "GET"]


@pytest.mark.parametrize(("method", "path"), CHANGING, ids=[" ".join(pair) for pair in CHANGING])
def test_with_the_cookie_but_without_the_xsrf_token(server, method, path):
    session = server.browser()
    got = sent(session, server, method, path)
    assert got.status_code == 403
    assert "_xsrf" in got.json()["error"]["message"]


def test_with_the_cookie_and_the_xsrf_token(server):
    session = server.browser()
    token = session.cookies["_xsrf"]
    got = sent(session, server, "POST", "runs/r999999/cancel", **{"X-XSRFToken": token})
    assert (got.status_code, got.json()["error"]["kind"]) == (404, "NotFoundError")
    assert sent(session, server, "GET", "runs", Referer=server.url).status_code == 200


def paths_of(route: Route) -> Iterator[tuple[str, str]]:
    """Yield where a route takes a path: ``query`` or ``body``, and the field."""
    for name, schema in route.query.items():
        if schema is PATH:
            yield "query", name
    for name, schema in (route.body or {}).get("properties", {}).items():
        kinds = [schema, *schema.get("anyOf", [])]
        if any(kind is PATH for kind in kinds):
            yield "body", name
        if any("path" in kind.get("properties", {}) for kind in kinds):
            yield "body", f"{name}.path"
        if name in ("source", "run"):
            yield "body", name


def harmless(schema: dict[str, Any]) -> Any:
    """Return something that a required field of a body takes."""
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return harmless(schema["anyOf"][0])
    return {"integer": schema.get("minimum", 1), "boolean": False, "array": []}.get(
        schema.get("type"), "kept"
    )


TAKING = [(route, part, name) for route in ROUTES for part, name in paths_of(route)]


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize(
    ("route", "part", "name"), TAKING, ids=[f"{r.method} {r.path} {n}" for r, _, n in TAKING]
)
def test_no_path_leaves_the_folder(server, route, part, name, escape):
    (server.root.parent / "secret.npy").write_bytes(b"secret")
    (server.root / "inner").mkdir(exist_ok=True)
    link = server.root / "link"
    if not link.is_symlink():
        link.symlink_to(server.root.parent)
    path = route.path.format_map(FILLED)
    headers = {"Authorization": f"token {server.token}"}
    if part == "query":
        query = dict.fromkeys(route.needed, "kept") | {name: escape}
        got = requests.get(server.api + path, query, headers=headers, timeout=30)
    else:
        body = {
            key: harmless(route.body["properties"][key]) for key in route.body.get("required", ())
        }
        if name == "sample.path":
            body["sample"] = {"path": escape}
        else:
            body[name] = f"file:{escape}" if name == "run" else escape
        got = requests.request(
            route.method, server.api + path, data=json.dumps(body), headers=headers, timeout=30
        )
    if escape.startswith(("%2e", "..%2f")):  # not decoded twice: an odd name, inside
        assert got.status_code in (200, 202, 400, 404)
    else:
        assert got.status_code == 400, got.text
        assert re.search("not inside the server's folder|addresses begin with", got.text)
    assert "secret\\n" not in got.text


@pytest.mark.parametrize(
    "path", ["clusters/..%2f..%2fx", "clusters/%2e%2e", "runs/..%2fr1", "models/..%2fx"]
)
def test_names_are_no_paths(server, path):
    assert server.call("GET", path, valid=False).status in (400, 404, 501)


def test_the_websocket_refuses_who_is_not_logged_in(server):
    url = server.api.replace("http", "ws", 1) + "events"
    for header in ([], ["Authorization: token wrong"]):
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            websocket.create_connection(url, header=header, timeout=10)


def test_the_websocket_refuses_other_sites(server):
    url = server.api.replace("http", "ws", 1) + "events"
    cookie = "; ".join(f"{c.name}={c.value}" for c in server.browser().cookies)
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(url, cookie=cookie, origin="http://evil.example", timeout=10)
    websocket.create_connection(
        url, cookie=cookie, origin=server.url.rstrip("/"), timeout=10
    ).close()


def test_who_is_not_allowed_to_is_refused(tmp_path, light):
    from .conftest import start_server

    (tmp_path / "only_reading.py").write_text(
        "from jupyter_server.auth import Authorizer\n"
        "class OnlyReading(Authorizer):\n"
        "    def is_authorized(self, handler, user, action, resource):\n"
        "        return action == 'read' and resource == 'lepton'\n"
    )
    option = "--ServerApp.authorizer_class=only_reading.OnlyReading"
    import os

    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    for server in start_server(tmp_path, {"PYTHONPATH": path}, option):
        assert server.call("GET", "clusters").status == 200
        for method, path in CHANGING:
            assert server.call(method, path, {}).status == 403
