"""A hub that ends idle servers: pages are told before, and runs that go on are no idleness."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from conditions import wait_until

import lepton_jlab as lepton

from .conftest import Server, start_server

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]

MINUTES = 0.2  # 12 seconds of idleness end the server; pages are told 9 before
FAIR = 0.3  # minutes
UNTIL_TOLD = "import pathlib, time\nwhile not pathlib.Path({!r}).exists(): time.sleep(0.05)"


@pytest.fixture(scope="module")
def culled(tmp_path_factory: pytest.TempPathFactory, light: None) -> Iterator[Server]:
    """A server whose hub has little patience."""
    options = (
        f"--LeptonApp.cull_minutes={MINUTES}",
        "--LeptonApp.cull_warning=0.15",
        f"--LeptonApp.runs_keep_minutes={FAIR}",
    )
    yield from start_server(tmp_path_factory.mktemp("culled"), {}, *options)


def idle(server: Server) -> float:
    """Return the seconds of idleness, by what hubs look at."""
    headers = {"Authorization": f"token {server.token}"}
    status = requests.get(f"{server.url}api/status", headers=headers, timeout=30).json()
    last = datetime.fromisoformat(status["last_activity"])
    return (datetime.now(UTC) - last).total_seconds()


def test_pages_are_told_before_the_end_and_a_call_keeps_the_server(culled: Server) -> None:
    page = culled.connect()
    try:
        assert culled.call("POST", "keep").status == 204
        page.subscribe("idle")
        assert page.until("idle") == {"ends_in": None, "binder": False}
        told = page.until("idle", lambda data: data["ends_in"] is not None)
        assert told["ends_in"] == 0  # less than ten seconds
        assert idle(culled) > 3
        assert culled.call("POST", "keep").status == 204
        assert page.until("idle") == {"ends_in": None, "binder": False}
        assert idle(culled) < 3
    finally:
        page.close()


def test_runs_count_as_activity_for_a_fair_time(culled: Server, tmp_path: Path) -> None:
    cluster = lepton.start_cluster("long", workers=1)
    try:
        done = tmp_path / "done"
        run = lepton.submit(UNTIL_TOLD.format(str(done)))
        wait_until(lambda: run.state == "running", 60)
        culled.call("POST", "keep")
        begin = time.monotonic()
        wait_until(lambda: idle(culled) > 8, 120)
        assert time.monotonic() - begin > 60 * FAIR
        assert run.state == "running"
        done.touch()
        run.wait(60)
    finally:
        cluster.stop(force=True)


def test_a_server_that_nobody_ends_says_nothing(server: Server) -> None:
    page = server.connect()
    try:
        page.subscribe("idle")
        assert page.until("idle") == {"ends_in": None, "binder": False}
    finally:
        page.close()
