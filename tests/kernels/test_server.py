"""A kernel on a worker through a Jupyter server, as JupyterLab starts it and talks to it."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket
from conditions import wait_until
from kernels.conftest import worker_processes
from server.conftest import Server, start_server

import lepton_jlab as lepton

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, brief_patience: None) -> Iterator[Server]:
    """A Jupyter server."""
    yield from start_server(tmp_path_factory.mktemp("server"), {})


class Notebook:
    """A notebook's session in a Jupyter server, and its websocket."""

    def __init__(self, server: Server, path: str, kernel: str) -> None:
        self.server = server
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": kernel}}
        answer = self.rest("POST", "api/sessions", body)
        assert answer.status_code == 201, answer.text
        self.kernel = answer.json()["kernel"]["id"]
        url = f"{server.url}api/kernels/{self.kernel}/channels".replace("http", "ws", 1)
        header = [f"Authorization: token {server.token}"]
        self.socket = websocket.create_connection(url, header=header, timeout=60)

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"token {self.server.token}"}
        return self.server.session.request(
            method, self.server.url + path, json=body, headers=headers, timeout=90
        )

    def begin(self, code: str) -> str:
        """Send a cell; return the id of the request."""
        request = uuid.uuid4().hex
        header = {"msg_id": request, "msg_type": "execute_request", "version": "5.3"}
        header |= {"username": "", "session": "test", "date": "2026-01-01T00:00:00Z"}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self.socket.send(json.dumps({**message, "channel": "shell", "buffers": []}))
        return request

    def end(self, request: str) -> str:
        """Wait until a cell has ended; return what it shows."""
        shown, open_ = "", {"reply", "idle"}
        while open_:
            message = json.loads(self.socket.recv())
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != request:
                continue
            if kind == "stream":
                shown += content["text"]
            elif kind == "error":
                shown += f"{content['ename']}: {content['evalue']}"
            elif kind == "execute_reply":
                open_.discard("reply")
            elif kind == "status" and content["execution_state"] == "idle":
                open_.discard("idle")
        return shown

    def run(self, code: str) -> str:
        return self.end(self.begin(code))

    def status(self) -> str:
        """Wait for word that the kernel restarts by itself, or is dead."""
        while True:
            message = json.loads(self.socket.recv())
            state = message["content"].get("execution_state", "")
            if state in ("restarting", "dead"):
                return str(state)


def test_a_kernel_by_rest_and_websocket(server):
    cluster = lepton.start_cluster("served", workers=1, threads=1, kernel=True)
    try:
        book = Notebook(server, "mine.ipynb", "lepton-served")
        assert book.run("print(1)") == "1\n"
        assert book.run("import os; print(os.getcwd())") == f"{server.root}\n"
        assert cluster.info()["workers"][0]["run"] == "kernel of mine.ipynb"

        request = book.begin("import time; time.sleep(60)")
        time.sleep(0.5)
        book.rest("POST", f"api/kernels/{book.kernel}/interrupt")
        assert book.end(request).startswith("KeyboardInterrupt")

        book.run("x = 1")
        assert book.rest("POST", f"api/kernels/{book.kernel}/restart").status_code == 200
        assert "NameError" in book.run("x")

        request = book.begin("import time; time.sleep(60)")
        time.sleep(0.5)
        worker_processes(cluster)[-1].kill()
        begun = time.monotonic()
        assert "worker 0 of cluster 'served' died (signal 9" in book.end(request)
        assert time.monotonic() - begun < 5
        assert book.status() == "restarting"  # by itself, on the worker that Dask has started anew
        wait_until(lambda: any(worker["run"] for worker in cluster.info()["workers"]), 60)
        assert "worker 0 of cluster 'served' died (signal 9" in book.run("print('anew')")

        request = book.begin("import time; time.sleep(60)")
        time.sleep(0.5)
        cluster.stop(force=True)
        assert "cluster 'served' was stopped" in book.end(request)
        assert book.status() == "dead"  # at once: no restart could succeed
        assert "cluster 'served' was stopped" in book.run("print(1)")
        assert book.rest("GET", f"api/kernels/{book.kernel}").status_code == 404
    finally:
        if "served" in {one.name for one in lepton.clusters()}:
            cluster.stop(force=True)


def test_what_cannot_start_says_why_and_leaves_nothing(tmp_path, brief_patience):
    path = Path(os.environ["JUPYTER_CONFIG_DIR"]) / "lepton_config.json"
    before = path.read_text()
    chosen = json.loads(before)
    chosen["Settings"]["kernel_start_timeout"] = 1.0
    path.write_text(json.dumps(chosen))
    cluster = lepton.start_cluster("full", workers=1, threads=1, kernel=True)
    path.write_text(before)
    try:
        for server in start_server(tmp_path, {}):  # which ends by a signal, although a start failed
            first = Notebook(server, "first.ipynb", "lepton-full")
            body = {"path": "b", "name": "b", "type": "notebook", "kernel": {"name": "lepton-full"}}
            answer = first.rest("POST", "api/sessions", body)
            assert answer.status_code == 500
            assert answer.json()["message"].startswith("No worker of cluster 'full' was free")
            assert "0 has kernel of first.ipynb" in answer.json()["message"]
        wait_until(lambda: not cluster.info()["workers"][0]["run"])  # with the server
    finally:
        cluster.stop(force=True)
