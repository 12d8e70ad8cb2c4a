"""Versions change, a worker is killed, an endpoint reloads: no request is lost, none is wrong."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import pytest
from conditions import wait_until

import lepton_jlab as lepton

from .wire import Wire, post

pytestmark = [pytest.mark.integration, pytest.mark.fault, pytest.mark.usefixtures("stopped")]

REQUESTS = 10_000
CLIENTS = 8


class Asking:
    """Clients that ask until all requests are answered, and keep what they were told.

    Each keeps one connection, and none tries anything twice: what is lost is seen.
    """

    def __init__(self, endpoint):
        self._port = int(endpoint.url.rpartition(":")[2])
        self._token = {"authorization": f"Bearer {endpoint.token}"}
        self._lock = threading.Lock()
        self.asked = 0
        self.wrong = []
        self.versions = {}
        self._pace = 0.0
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def slow_down(self, seconds):
        """Pause before each request, so that some are left for what is still to happen."""
        self._pace = seconds

    def finish(self):
        self._pace = 0.0
        for thread in self._threads:
            thread.join()

    def _ask(self):
        wire = Wire(self._port, timeout=60)
        while True:
            with self._lock:
                number = self.asked
                if number >= REQUESTS:
                    return
                self.asked += 1
            if self._pace:
                time.sleep(self._pace)
            body = json.dumps({"inputs": [
                {"name": "x", "shape": [1], "datatype": "FP32", "data": [number]}
            ]}).encode()  # fmt: skip
            try:
                wire.send(post("/v2/models/halves/infer", body, **self._token))
                _status, _, content = wire.answer()
                document = json.loads(content)
                version = int(document["model_version"])
                right = number / 2 + {1: 2, 2: 3}[version]
                assert document["outputs"][0]["data"] == [right]
            except Exception as error:
                with self._lock:
                    self.wrong.append((number, repr(error)))
                wire = Wire(self._port, timeout=60)
            else:
                with self._lock:
                    self.versions[version] = self.versions.get(version, 0) + 1


def test_ten_thousand_requests_during_two_changes_a_kill_and_a_reload(halves):
    endpoint = lepton.deploy("halves", 1, workers=2, timeout=60)
    before = endpoint.info()
    asking = Asking(endpoint)
    asking.slow_down(0.1)

    wait_until(lambda: asking.asked > 150, about="requests under way")
    lepton.deploy("halves", 2)
    assert lepton.endpoint("halves").version == 2

    victim = endpoint.info()["worker_pids"][0]
    os.kill(victim, signal.SIGKILL)
    wait_until(
        lambda: len(pids := endpoint.info()["worker_pids"]) == 2 and victim not in pids,
        timeout=60,
        about="another worker",
    )
    lepton.deploy("halves", 2)  # a reload: the same version in new workers
    lepton.deploy("halves", 1)
    assert asking.asked < REQUESTS, "all were answered before the last change"
    asking.finish()

    assert asking.wrong == []
    assert sum(asking.versions.values()) == REQUESTS
    assert min(asking.versions.get(version, 0) for version in (1, 2)) > 100
    after = endpoint.info()
    assert (after["url"], after["pid"]) == (before["url"], before["pid"])
    assert not set(before["worker_pids"]) & set(after["worker_pids"])


def test_an_endpoint_without_a_version_follows_what_is_promoted(halves):
    endpoint = lepton.deploy("halves")
    assert endpoint.version == halves.promoted == 1
    halves.promote(2)
    wait_until(lambda: endpoint.version == 2, timeout=60, about="version 2")
    assert endpoint.predict([1.0, 2.0]).tolist() == [3.5, 4.0]
    halves.rollback()
    wait_until(lambda: endpoint.version == 1, timeout=60, about="version 1")


def test_stopping_answers_what_was_asked(halves):
    endpoint = lepton.deploy("halves", 1)
    wires = [Wire(int(endpoint.url.rpartition(":")[2])) for _ in range(4)]
    token = {"authorization": f"Bearer {endpoint.token}"}
    for number, wire in enumerate(wires):
        body = json.dumps({"instances": [number] * 200_000}).encode()
        wire.send(post("/v1/models/halves:predict", body, **token))
    stopping = threading.Thread(target=endpoint.stop)
    stopping.start()
    for number, wire in enumerate(wires):
        status, _headers, content = wire.answer()
        assert status == 200
        assert json.loads(content)["predictions"] == [number / 2 + 2] * 200_000
    stopping.join()
    assert "halves" not in [one.name for one in lepton.endpoints()]
