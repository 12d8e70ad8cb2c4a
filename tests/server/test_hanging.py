"""What hangs, a scheduler or the GPUs' driver, holds up nothing else."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
import requests
from conditions import wait_until

import lepton_jlab as lepton

from .conftest import Server

pytestmark = pytest.mark.integration


@pytest.fixture
def hung(server: Server) -> Iterator[lepton.Cluster]:
    """A cluster whose host does not answer any more."""
    body = {"name": "hung", "workers": 1, "threads": 1, "engine": "local"}
    server.done(server.call("POST", "clusters", body))
    wait_until(lambda: server.get("clusters/hung")["workers"])
    cluster = lepton.get_cluster("hung")
    os.kill(cluster.file["pid"], signal.SIGSTOP)
    yield cluster
    os.kill(cluster.file["pid"], signal.SIGCONT)
    cluster.stop(force=True)


class Hanging:
    """Requests that are under way, each in a thread."""

    def __init__(self, server: Server, method: str, path: str, body: object, count: int) -> None:
        self.answers: list[int] = []

        def ask() -> None:
            own = replace(server, session=requests.Session())
            with suppress(requests.ConnectionError):  # the server has ended meanwhile
                self.answers.append(own.call(method, path, body).status)

        self.threads = [threading.Thread(target=ask) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def wait(self) -> list[int]:
        for thread in self.threads:
            thread.join(120)
        return self.answers


def test_other_requests_go_on_while_a_scheduler_hangs(server: Server, hung, page):
    page.subscribe("resources", "runs")
    page.until("resources")
    hanging = Hanging(server, "POST", "clusters/hung/scale", {"workers": 2}, 1)
    for path in ("about", "runs", "tasks", "resources", "datasets", "openapi.json"):
        server.get(path)
    page.until("resources", lambda data: "sample" in data)
    page.until("resources", lambda data: "sample" in data)
    assert not hanging.answers  # all that happened while this one waits
    wait_until(lambda: server.get("clusters/hung")["state"] == "unreachable")
    assert len(server.get("clusters/hung")["workers"]) == 1  # as it was known last
    page.subscribe("clusters")
    page.until("clusters", lambda d: any(c["state"] == "unreachable" for c in d["clusters"]))
    assert not hanging.answers
    os.kill(hung.file["pid"], signal.SIGCONT)
    assert hanging.wait() == [200]


def test_calls_to_one_cluster_do_not_use_up_the_threads_of_others(server: Server, hung):
    hanging = Hanging(server, "POST", "clusters/hung/scale", {"workers": 1}, 12)
    wait_until(lambda: len(hanging.answers) == 10, 30)
    assert set(hanging.answers) == {503}  # two wait, the others are told so at once
    other = {"name": "other", "workers": 1, "threads": 1, "engine": "local"}
    server.done(server.call("POST", "clusters", other))
    assert server.call("POST", "clusters/other/scale", {"workers": 2}).status == 200
    assert server.call("DELETE", "clusters/other").status == 204
    os.kill(hung.file["pid"], signal.SIGCONT)
    assert set(hanging.wait()) <= {200, 409, 503}


def test_a_host_that_was_found_hanging_is_not_waited_for_again(server: Server, hung):
    wait_until(lambda: server.get("clusters/hung")["state"] == "unreachable")
    hanging = Hanging(server, "GET", "clusters", None, 8)  # as many as the pool has threads
    assert server.get("clusters/hung")["state"] == "unreachable"
    assert hanging.wait() == [200] * 8


def test_the_first_look_at_a_host_that_hangs_does_not_wait_until_that_is_sure(
    server: Server, hung, tmp_path
):
    from .conftest import start_server

    for other in start_server(tmp_path, {}):
        # It takes 2 s to call a host unreachable: an answer that does not has not waited for them.
        (first,) = other.get("clusters")["clusters"]
        assert first["state"] == "stale"
        assert (first["name"], first["workers"]) == ("hung", [])  # what its file says
        wait_until(lambda other=other: other.get("clusters/hung")["state"] == "unreachable")
        os.kill(hung.file["pid"], signal.SIGCONT)
        wait_until(lambda other=other: other.get("clusters/hung")["state"] == "running")
        assert len(other.get("clusters/hung")["workers"]) == 1


def test_the_server_ends_while_calls_hang(server: Server, hung, tmp_path):
    from .conftest import start_server

    for other in start_server(tmp_path, {}):
        Hanging(other, "GET", "clusters/hung", None, 2)
        Hanging(other, "POST", "clusters/hung/scale", {"workers": 2}, 1)
        # `start_server` waits for its end, 30 s at most.


def test_no_request_waits_for_a_driver_that_hangs(invented, tmp_path):
    from .conftest import start_server

    invented.set(0, use=10)
    gate = invented.hang_at(0, tmp_path / "hang")
    for server in start_server(tmp_path, invented.environment):

        def said(server: Server = server) -> str:
            return server.get("resources")["message"] or ""

        wait_until(lambda server=server: "gpu.0.use" in server.get("resources")["series"])
        gate.touch()
        page = server.connect()
        page.subscribe("resources", "runs", "clusters")
        begun = page.until("resources")["history"]["t"][-1]
        # The driver answers nobody from here on; all of this is answered nevertheless.
        for path in ("about", "clusters", "runs", "tasks", "models", "datasets", "openapi.json"):
            server.get(path)
        page.until("resources", lambda data, t=begun: data.get("sample", {}).get("t", 0) > t + 2)
        # Pages that are open are told so, and get no figures of before.
        told = page.until("resources", lambda data: data.get("sample", {}).get("message"))["sample"]
        assert re.match(r"The figures of the GPUs are missing since \d\d:\d\d", told["message"])
        assert told["host"]["gpus"] == []
        assert said() == told["message"]
        gate.unlink()
        page.until("resources", lambda data: data.get("sample", {}).get("message", "") is None)
        assert not said()
        page.close()
