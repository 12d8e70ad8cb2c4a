"""What the Jupyter server pays for 20 open pages, for sampling, and while a scheduler hangs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import psutil

from benchmarks.home import cluster, submit
from benchmarks.report import Figure, Result
from benchmarks.rounds import Samples, interleave, median_of, percentile

PAGES = 20
HOUR = 3600  # samples
TOPICS = ("clusters", "runs", "resources", "tasks")
_REQUESTS = ("runs", "about", "tasks", "resources?seconds=60", "clusters")
_SERVER = f"server with {PAGES} pages at 2 Hz and a run that trains: share of a core"
_ALONE = "the same server without a page"
_SAMPLING = "sampling two workers at 1 Hz: share of a core, a worker"
_HANGING = "request, p95, while a scheduler hangs"
_FREE = "request, p95, while none does"
_GROWTH = f"growth of the server over {HOUR} samples with {PAGES} pages, an hour at 1 Hz"
_CELL = """
import time, lepton_jlab as lepton
for step in range(100_000):
    lepton.log(step=step, loss=1 / (step + 1))
    print("step", step)
    time.sleep(0.5)
"""
_SAMPLER = """
import sys, time, psutil
from lepton_jlab.resources import Sampler
one = Sampler()
one.start(1.0)
end = time.monotonic() + 60  # until Dask is imported and the host is known
while not (one.latest() or {}).get("workers"):
    assert time.monotonic() < end, "no worker is seen"
    time.sleep(0.2)
time.sleep(1)
spent = lambda: sum(psutil.Process().cpu_times()[:2])
before = spent()
time.sleep(float(sys.argv[1]))
print(spent() - before)
"""


def measure(rounds: int, quick: bool) -> Result:
    """Run a server beside a cluster whose run logs twice a second."""
    span = 3.0 if quick else 15.0
    growth = _growth(HOUR // 20 if quick else HOUR)
    with cluster() as shared, _server() as (process, url, token):
        run = submit(_CELL)

        def alone() -> float:
            return _share(process, span)

        def pages() -> float:
            with _pages(url, token):
                time.sleep(2)  # the state of the beginning is sent
                return _share(process, span)

        def sampling() -> float:
            command = [sys.executable, "-c", _SAMPLER, str(span)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            return 100 * float(done.stdout) / span / 2

        def free() -> float:
            return _slowest(url, token, 2 if quick else 20)

        def hanging() -> float:
            host = shared.file["pid"]
            with _pages(url, token):
                os.kill(host, signal.SIGSTOP)
                try:
                    return _slowest(url, token, 2 if quick else 20)
                finally:
                    os.kill(host, signal.SIGCONT)

        for path in _REQUESTS:  # so that Dask is imported and the connections are open
            _ask(url, token, path)
        time.sleep(5)
        ways = {_ALONE: alone, _SERVER: pages, _SAMPLING: sampling, _FREE: free, _HANGING: hanging}
        samples: Samples = interleave(ways, rounds)
        run.cancel(force=True)
    return Result(
        [
            Figure(_SERVER, median_of(samples, _SERVER), "%", at_most=3),
            Figure(_ALONE, median_of(samples, _ALONE), "%"),
            Figure(_SAMPLING, median_of(samples, _SAMPLING), "%", at_most=0.5),
            Figure(_HANGING, 1000 * median_of(samples, _HANGING), "ms", at_most=50),
            Figure(_FREE, 1000 * median_of(samples, _FREE), "ms"),
            Figure(_GROWTH, growth, "MiB", at_most=16),
        ],
        samples,
        units=dict.fromkeys((_SERVER, _ALONE, _SAMPLING), "%"),
    )


def _growth(count: int) -> float:
    """Return by how many MiB a server grows while its pages are sent `count` samples, soon."""
    import websocket

    with cluster("hour"), _server(0.02) as (process, url, token), _pages(url, token):
        run = submit(_CELL)
        one = websocket.create_connection(
            url.replace("http", "ws", 1) + "events", header=[f"Authorization: token {token}"]
        )
        one.send(json.dumps({"subscribe": ["resources"]}))

        def take(samples: int) -> float:
            while samples:
                samples -= '"sample"' in one.recv()
            return float(process.memory_info().rss) / 2**20

        before = take(count // 4)  # Dask is imported by then, and pools are warm
        grown = take(count) - before
        one.close()
        run.cancel(force=True)
    return grown


@contextmanager
def _server(interval: float = 0.5) -> Iterator[tuple[psutil.Process, str, str]]:
    """Run a Jupyter server that samples every `interval` seconds."""
    root = Path(mkdtemp(prefix="root-"))
    token = os.urandom(16).hex()
    with (root.parent / "server.log").open("wb") as log:
        started = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
                *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"),
                f"--ServerApp.root_dir={root}",
                "--ServerApp.jpserver_extensions={'lepton_jlab': True, 'jupyter_lsp': False}",
                f"--LeptonApp.sampling_interval={interval}",
            ],
            env={**os.environ, "JUPYTER_TOKEN": token},
            stdout=log,
            stderr=log,
        )
    try:
        file = Path(os.environ["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{started.pid}.json"
        end = time.monotonic() + 60
        while not file.exists() or not file.read_text():
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.05)
        url = json.loads(file.read_text())["url"] + "lepton/api/"
        while True:
            try:
                _ask(url, token, "about")
                break
            except OSError:
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.05)
        yield psutil.Process(started.pid), url, token
    finally:
        started.terminate()
        started.wait(30)


@contextmanager
def _pages(url: str, token: str) -> Iterator[None]:
    """Open the websockets of all pages, and read what comes."""
    import websocket

    sockets = []
    for _ in range(PAGES):
        one = websocket.create_connection(
            url.replace("http", "ws", 1) + "events", header=[f"Authorization: token {token}"]
        )
        one.send(json.dumps({"subscribe": TOPICS}))
        sockets.append(one)

    def read(one: websocket.WebSocket) -> None:
        try:
            while one.recv():
                pass
        except (OSError, websocket.WebSocketException):
            return

    threads = [threading.Thread(target=read, args=(one,), daemon=True) for one in sockets]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for one in sockets:
            one.shutdown()
        for thread in threads:
            thread.join(5)


def _share(process: psutil.Process, span: float) -> float:
    """Return the share of a core that a process takes over `span` seconds, in percent."""
    before = sum(process.cpu_times()[:2])
    time.sleep(span)
    return 100 * (sum(process.cpu_times()[:2]) - before) / span


def _slowest(url: str, token: str, times: int) -> float:
    """Return the p95 of requests to several routes, in seconds; each route in turn."""
    taken = []
    for _ in range(times):
        for path in _REQUESTS:
            begun = time.perf_counter()
            _ask(url, token, path)
            taken.append(time.perf_counter() - begun)
    return percentile(taken, 95)


def _ask(url: str, token: str, path: str) -> None:
    request = urllib.request.Request(url + path, headers={"Authorization": f"token {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()
