"""The sidebar with much in it: frames while scrolling, and the main thread at rest.

A JupyterLab page is given 64 workers, 500 ended and 20 live runs and a sample a second, by
answering its requests and its websocket from here; so nothing but the front end is measured.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import Figure, Result

ROOT = Path(__file__).resolve().parent.parent
WORKERS, ENDED, LIVE, QUEUED = 64, 500, 20, 6
REST = 10  # seconds

_FRAME = "the sidebar: a frame while scrolling through 526 runs"
_SLOWEST = "the sidebar: the slowest frame or task meanwhile"
_AT_REST = "the sidebar: main thread at rest, 64 workers measured each second"
_WITHOUT = "the page before it is shown"
_SOCKETS = "websockets"

_SCROLL = """async () => {
  const list = document.querySelector('[data-section=runs] [data-scroller]');
  const frames = [], long = [];
  const watch = new PerformanceObserver(seen =>
    seen.getEntries().forEach(e => long.push(e.duration)));
  watch.observe({ entryTypes: ['longtask'] });
  let last = performance.now();
  const end = last + 5000;
  while (performance.now() < end) {
    list.scrollTop = (list.scrollTop + 120) % (list.scrollHeight - list.clientHeight);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  watch.disconnect();
  return { frames, long, rows: list.querySelectorAll('[data-run]').length };
}"""


def measure(rounds: int, quick: bool) -> Result:
    """Scroll through the runs, then rest; once a round, in a page of its own."""
    rows = [_once() for _ in range(1 if quick else rounds)]
    samples = {name: [row[name] for row in rows] for name in rows[0]}
    middle = {name: statistics.median(values) for name, values in samples.items()}
    return Result(
        [
            Figure(_SLOWEST, max(samples[_SLOWEST]), "ms", at_most=50),
            Figure(_FRAME, middle[_FRAME], "ms"),
            Figure(_AT_REST, middle[_AT_REST], "%", at_most=3),
            Figure(_WITHOUT, middle[_WITHOUT], "%"),
        ],
        {},
        [f"One websocket a page: {max(row[_SOCKETS] for row in rows) == 1}."],
    )


def _once() -> dict[str, float]:
    sys.path[:0] = [str(ROOT / "tests/browser"), str(ROOT / "tests")]
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        for name in ("DATA", "RUNTIME", "CONFIG"):
            os.environ[f"JUPYTER_{name}_DIR"] = str(home / name.lower())
        from conftest import CHROMIUM, FLAGS, Lab
        from playwright.sync_api import sync_playwright

        lab = Lab(home, secrets.token_hex(16))
        lab.root.mkdir()
        lab.start()
        try:
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                return _measure(browser, lab)
        finally:
            lab.stop()


def _measure(browser: Any, lab: Any) -> dict[str, float]:
    from sidebar import Sidebar

    page = browser.new_page(viewport={"width": 1280, "height": 900})
    sockets = _attach(page)
    page.goto(f"{lab.url}lab/workspaces/w{secrets.token_hex(4)}?token={lab.token}")
    page.wait_for_function("window.jupyterapp !== undefined")
    page.evaluate("async () => { await window.jupyterapp.restored; }")
    rest = _share(page, lambda: page.wait_for_timeout(REST * 1000))  # the sidebar is not shown
    side = Sidebar(page)
    side.section("runs").locator("[data-run]").first.wait_for()
    side.press(f"Show all {WORKERS} workers")
    still = _share(page, lambda: _live(page, sockets))
    seen = page.evaluate(_SCROLL)
    return {
        _SOCKETS: len(sockets),
        _FRAME: statistics.median(seen["frames"]),
        _SLOWEST: max(*seen["frames"], *seen["long"], 0.0),
        _AT_REST: 100 * still,
        _WITHOUT: 100 * rest,
    }


def _share(page: Any, wait: Any) -> float:
    """Return the share of the main thread that tasks took while `wait` ran."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))

    before, began = busy(), time.perf_counter()
    wait()
    return (busy() - before) / (time.perf_counter() - began)


def _live(page: Any, sockets: list[Any]) -> None:
    for _ in range(REST):
        _say(sockets[-1], "resources", {"sample": _sample(time.time())})
        page.wait_for_timeout(1000)


def _attach(page: Any) -> list[Any]:
    """Answer what the page asks; return its websockets as they open."""
    runs = _runs()
    counts = {"done": ENDED, "running": LIVE, "queued": QUEUED}
    about = {"gpus": 0, "cpus": 2, "memory": 8e9, "engines": ["auto"], "codecs": [], "sources": []}

    def rest(route: Any) -> None:
        path = route.request.url.split("lepton/api/")[1].partition("?")[0]
        answers = {"about": about, "datasets": {"datasets": []}}
        answers["runs"] = {"runs": runs[50:], "total": len(runs), "counts": counts}
        route.fulfill(json=answers.get(path, {}))

    sockets: list[Any] = []

    def opened(socket: Any) -> None:
        sockets.append(socket)
        states = {
            "clusters": {"clusters": [_cluster()]},
            "runs": {"runs": runs[:50], "counts": counts, "full": True},
            "tasks": {"tasks": []},
            "models": {"models": []},
            "endpoints": {"endpoints": []},
            "resources": {"sample": _sample(time.time())},
        }

        def heard(message: str) -> None:
            for topic in json.loads(message).get("subscribe", []):
                _say(socket, topic, states[topic])

        socket.on_message(heard)

    page.route("**/lepton/api/**", rest)
    page.route_web_socket("**/lepton/api/events*", opened)
    return sockets


def _say(socket: Any, topic: str, data: Any) -> None:
    socket.send(json.dumps({"topic": topic, "data": data}))


def _cluster() -> dict[str, Any]:
    workers = [
        {"id": str(i), "host": "h", "devices": ["cpu"], "run": None, "threads": 1, "memory": 8e9}
        for i in range(WORKERS)
    ]
    return {
        "name": "many",
        "engine": "local",
        "address": "",
        "host_pid": 1,
        "connection_file": "",
        "workers": workers,
        "idle_timeout": 3600,
        "state": "running",
    }


def _runs() -> list[dict[str, Any]]:
    now, spark = time.time(), [math.exp(-step / 8) for step in range(30)]
    states = ["done"] * ENDED + ["running"] * LIVE + ["queued"] * QUEUED
    return [
        {
            "id": f"r{number}",
            "name": None,
            "sweep": "s1",
            "state": state,
            "values": [],
            "params": {"lr": 0.01, "units": 64},
            "metrics": {"loss": 0.5},
            "phases": {},
            "error": None,
            "cluster": "many",
            "worker": "0",
            "devices": [],
            "attempt": 1,
            "submitted": now - 900,
            "started": None if state == "queued" else now - 800,
            "ended": now - 700 if state == "done" else None,
            "place": number - ENDED - LIVE,
            "progress": {"epoch": 2, "epochs": 5, "batch": 3, "batches": 9},
            "spark": spark,
            "spark_metric": "loss",
            "notebook": "a.ipynb",
            "cell": None,
        }
        for number, state in reversed(list(enumerate(states, 1)))
    ]


def _sample(t: float) -> dict[str, Any]:
    use = {"memory": [2e9 + 1e8 * math.sin(t), 8e9], "run": None, "device": "cpu"}
    workers = {f"many/{i}": {**use, "cpu": 50 + 40 * math.sin(t + i)} for i in range(WORKERS)}
    host = {"cpu": 50, "memory": [2e9, 8e9], "disk": [1e6, 0, 0, 0], "network": [1e3, 1e3]}
    return {"t": t, "host": {**host, "gpus": []}, "workers": workers, "runs": {}}
