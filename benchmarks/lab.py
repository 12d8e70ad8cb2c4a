"""The lab with much in it: frames while scrolling, and the main thread at rest.

A JupyterLab page is given 64 workers, 500 ended and 20 live runs, a sample and news of every live
run each second, and a run's page with 10 MB of output. They are made up: its requests and its
websocket are answered from here, for 64 real workers do not fit on two cores; so nothing but the
front end is measured.
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
OUTPUT = 10_000_000  # bytes
LINE = 80
REST = 10  # seconds

_FRAME = "a frame while scrolling through 526 runs"
_SLOWEST = "the slowest frame or task meanwhile"
_WORK = "main thread's work for such a frame"
_LINES = "a frame while scrolling through 10 MB of output"
_SLOWEST_LINES = "the slowest frame or task meanwhile, output"
_WORK_LINES = "main thread's work for such a frame, output"
_AT_REST = "main thread at rest: 64 workers and 20 live runs told each second"
_WITH_OUTPUT = "the same beside a page of 10 MB of output"
_WITHOUT = "JupyterLab before anything of it is shown"
_SOCKETS = "websockets"

_COUNTS = {"done": ENDED, "running": LIVE, "queued": QUEUED}
_WHOLE = {"code": "print()", "options": {}, "environment": None, "artifacts": []}  # besides a row

_SCROLL = """async selector => {
  const list = document.querySelector(selector);
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
  return { frames, long };
}"""


def measure(rounds: int, quick: bool) -> Result:
    """Scroll through the runs, then rest; once a round, in a page of its own."""
    rows = [_once() for _ in range(1 if quick else rounds)]
    samples = {name: [row[name] for row in rows] for name in rows[0]}
    middle = {name: statistics.median(values) for name, values in samples.items()}
    return Result(
        [
            Figure(_SLOWEST, middle[_SLOWEST], "ms", at_most=50),
            Figure(_FRAME, middle[_FRAME], "ms"),
            Figure(_WORK, middle[_WORK], "ms"),
            Figure(_SLOWEST_LINES, middle[_SLOWEST_LINES], "ms", at_most=50),
            Figure(_LINES, middle[_LINES], "ms"),
            Figure(_WORK_LINES, middle[_WORK_LINES], "ms"),
            Figure(_AT_REST, middle[_AT_REST], "%", at_most=3),
            Figure(_WITH_OUTPUT, middle[_WITH_OUTPUT], "%", at_most=3),
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
    from sidebar import Sidebar, command

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
    runs = _scroll(page, "[data-section=runs] [data-scroller]")
    command(page, "lepton:open-run", {"id": f"r{ENDED}"})
    page.get_by_text(f"{OUTPUT // LINE:,} lines").wait_for()
    beside = _share(page, lambda: _live(page, sockets))
    lines = _scroll(page, ".lp-Out-box")
    return {
        _SOCKETS: len(sockets),
        _FRAME: statistics.median(runs["frames"]),
        _WORK: runs["work"],
        _SLOWEST: max(*runs["frames"], *runs["long"], 0.0),
        _LINES: statistics.median(lines["frames"]),
        _WORK_LINES: lines["work"],
        _SLOWEST_LINES: max(*lines["frames"], *lines["long"], 0.0),
        _AT_REST: 100 * still,
        _WITH_OUTPUT: 100 * beside,
        _WITHOUT: 100 * rest,
    }


def _scroll(page: Any, selector: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    share = _share(page, lambda: seen.update(page.evaluate(_SCROLL, selector)))
    return {**seen, "work": share * statistics.mean(seen["frames"])}


def _share(page: Any, wait: Any) -> float:
    """Return the share of a core that the main thread's tasks took while `wait` ran."""
    session = page.context.new_cdp_session(page)
    # Of the thread, not of the clock: other programs would count else.
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))

    before, began = busy(), time.perf_counter()
    wait()
    return (busy() - before) / (time.perf_counter() - began)


def _live(page: Any, sockets: list[Any]) -> None:
    live = [run for run in _runs() if run["state"] == "running"]
    for second in range(REST):
        _say(sockets[-1], "resources", {"sample": _sample(time.time())})
        news = [{**run, "metrics": {"loss": 1 / (second + 2)}} for run in live]
        _say(sockets[-1], "runs", {"runs": news, "counts": _COUNTS, "full": False})
        page.wait_for_timeout(1000)


def _attach(page: Any) -> list[Any]:
    """Answer what the page asks; return its websockets as they open."""
    runs, said = _runs(), _output()
    about = {"gpus": 0, "cpus": 2, "memory": 8e9, "engines": ["auto"], "codecs": [], "sources": []}

    def rest(route: Any) -> None:
        path = route.request.url.split("lepton/api/")[1].partition("?")[0]
        answers = {"about": about, "datasets": {"datasets": []}}
        answers["runs"] = {"runs": runs[50:], "total": len(runs), "counts": _COUNTS}
        one = f"runs/r{ENDED}"
        answers[one] = next(run for run in runs if run["id"] == f"r{ENDED}") | _WHOLE
        answers[f"{one}/history"] = {"columns": ["step", "t", "loss"], "rows": [[0, 0, 1]]}
        answers[f"{one}/output"] = {"messages": said, "next": len(said), "more": False}
        route.fulfill(json=answers.get(path, {}))

    sockets: list[Any] = []

    def opened(socket: Any) -> None:
        sockets.append(socket)
        states = {
            "clusters": {"clusters": [_cluster()]},
            "runs": {"runs": runs[:50], "counts": _COUNTS, "full": True},
            "tasks": {"tasks": []},
            "models": {"models": []},
            "endpoints": {"endpoints": []},
            "resources": {"sample": _sample(time.time())},
        }

        def heard(message: str) -> None:
            for topic in json.loads(message).get("subscribe", []):
                _say(socket, topic, states.get(topic, {}))

        socket.on_message(heard)

    page.route("**/lepton/api/**", rest)
    page.route_web_socket("**/lepton/api/events*", opened)
    return sockets


def _say(socket: Any, topic: str, data: Any) -> None:
    socket.send(json.dumps({"topic": topic, "data": data}))


def _cluster() -> dict[str, Any]:
    workers = [
        {
            "id": str(i),
            "host": "h",
            "devices": ["cpu"],
            "threads": 1,
            "memory": 8e9,
            "run": None,
            "runs": [],
            "slots": 1,
            "fault": None,
        }
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
            "cost": None,
            "estimate": None,
            "replicas": [],
        }
        for number, state in reversed(list(enumerate(states, 1)))
    ]


def _output() -> list[dict[str, Any]]:
    """Return messages as a host keeps them: of some hundred lines each."""
    lines = [f"step {i}".ljust(LINE - 1, ".") + "\n" for i in range(OUTPUT // LINE)]
    texts = ["".join(lines[i : i + 500]) for i in range(0, len(lines), 500)]
    return [
        {"seq": seq, "type": "text", "stream": "stdout", "text": text}
        for seq, text in enumerate(texts)
    ]


def _sample(t: float) -> dict[str, Any]:
    use = {"memory": [2e9 + 1e8 * math.sin(t), 8e9], "run": None, "device": "cpu"}
    workers = {f"many/{i}": {**use, "cpu": 50 + 40 * math.sin(t + i)} for i in range(WORKERS)}
    host = {"cpu": 50, "memory": [2e9, 8e9], "disk": [1e6, 0, 0, 0], "network": [1e3, 1e3]}
    return {"t": t, "host": {**host, "gpus": []}, "workers": workers, "runs": {}}
