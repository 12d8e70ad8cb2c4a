"""A real Jupyter server with the extension, and what speaks to it as a page does."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket
from conditions import wait_until
from jsonschema import Draft202012Validator

from lepton_jlab.server.openapi import describe
from lepton_jlab.server.routes import BASE, ROUTES, Route


@dataclass
class Answer:
    """What came back: the status, the document, and the whole text."""

    status: int
    document: Any
    text: str


@dataclass
class Server:
    """A running Jupyter server: its address, its token, its root folder, its process."""

    url: str
    token: str
    root: Path
    pid: int
    log: Path
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def api(self) -> str:
        return f"{self.url}{BASE}/"

    def call(self, method: str, path: str, body: Any = None, *, valid: bool = True) -> Answer:
        """Call a route with the token; the answer is checked against the description."""
        headers = {"Authorization": f"token {self.token}"}
        data = None if body is None else json.dumps(body)
        got = self.session.request(method, self.api + path, data=data, headers=headers, timeout=90)
        answer = Answer(got.status_code, got.json() if got.text else None, got.text)
        if valid:
            check(route_of(method, path), answer)
        return answer

    def get(self, path: str) -> Any:
        """Return the document of a GET that succeeds."""
        answer = self.call("GET", path)
        assert answer.status == 200, answer.text
        return answer.document

    def done(self, answer: Answer) -> Any:
        """Wait for a task's end and return the task."""
        assert answer.status == 202, answer.text
        path = f"tasks/{answer.document['id']}"
        return wait_until(
            lambda: (t := self.get(path))["state"] != "running" and t, 90, answer.text
        )

    def connect(self) -> Page:
        """Open the websocket, as one page."""
        return Page(self)

    def browser(self) -> requests.Session:
        """Return a session that is logged in by cookie, as a browser is."""
        session = requests.Session()
        session.get(f"{self.url}tree?token={self.token}", allow_redirects=False)
        session.get(f"{self.url}login", allow_redirects=False)
        return session


class Page:
    """One page's websocket."""

    def __init__(self, server: Server, **options: Any) -> None:
        url = server.api.replace("http", "ws", 1) + "events"
        header = [f"Authorization: token {server.token}"]
        self._kept: defaultdict[str, deque[dict[str, Any]]] = defaultdict(deque)
        self.socket = websocket.create_connection(url, header=header, timeout=30, **options)

    def subscribe(self, *topics: str) -> None:
        self.socket.send(json.dumps({"subscribe": topics}))

    def unsubscribe(self, *topics: str) -> None:
        self.socket.send(json.dumps({"unsubscribe": topics}))

    def next(self) -> dict[str, Any]:
        return json.loads(self.socket.recv())

    def until(self, topic: str, about: Callable[[dict[str, Any]], Any] = bool) -> Any:
        """Return the data of the next message of `topic` for which `about` is true.

        What comes of other topics meanwhile is kept for later calls.
        """
        end = time.monotonic() + 45
        while time.monotonic() < end:
            if self._kept[topic]:
                data = self._kept[topic].popleft()
                if about(data):
                    return data
            else:
                message = self.next()
                self._kept[message["topic"]].append(message["data"])
        raise AssertionError(f"nothing of {topic} was as it was waited for")

    def close(self) -> None:
        self.socket.close()


def route_of(method: str, path: str) -> Route:
    """Return the route that answers; the more literal one where two could."""
    plain = path.partition("?")[0]
    found = [
        route
        for route in ROUTES
        if route.method == method and re.fullmatch(route.pattern, f"{BASE}/{plain}")
    ]
    return min(found, key=lambda route: len(route.arguments))


def check(route: Route, answer: Answer) -> None:
    """Hold an answer against what the OpenAPI description promises."""
    description = describe()
    operation = description["paths"][f"/{BASE}/{route.path}"][route.method.lower()]
    promised = operation["responses"].get(str(answer.status))
    assert promised, f"status {answer.status} of {route.path} is not described: {answer.text}"
    if "content" not in promised:
        assert not answer.text
        return
    schema = promised["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": description["components"]})
    errors = [
        f"{'/'.join(map(str, e.path))}: {e.message}" for e in validator.iter_errors(answer.document)
    ]
    assert not errors, f"{route.method} {route.path}: {errors[:3]}"


def start_server(home: Path, environment: dict[str, str], *options: str) -> Iterator[Server]:
    """Run ``jupyter server`` on a free port until the caller has had enough."""
    token = secrets.token_hex(16)
    root = home / "work"
    root.mkdir(exist_ok=True)
    log = home / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
                *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"),
                f"--ServerApp.root_dir={root}",
                "--ServerApp.jpserver_extensions={'lepton_jlab': True, 'jupyter_lsp': False}",
                *options,
            ],
            env={**os.environ, **environment, "JUPYTER_TOKEN": token},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        info = Path(os.environ["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{process.pid}.json"
        url = json.loads(wait_until(lambda: info.exists() and info.read_text(), 60))["url"]
        server = Server(url, token, root, process.pid, log)
        wait_until(lambda: _answers(server), 60)
        yield server
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, light: None) -> Iterator[Server]:
    """A Jupyter server whose clusters are warm at once."""
    yield from start_server(tmp_path_factory.mktemp("server"), {})


@pytest.fixture
def page(server: Server) -> Iterator[Page]:
    """A page that is connected."""
    opened = server.connect()
    yield opened
    opened.close()


def _answers(server: Server) -> bool:
    try:
        return server.call("GET", "about").status == 200
    except requests.ConnectionError:
        return False
