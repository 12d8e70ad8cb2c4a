"""Live output: how soon a line is here, what a flood loses, and what it costs the neighbours."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.home import cluster, submit
from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import Samples, percentile, ratio, say, seconds

if TYPE_CHECKING:
    from distributed import Client

    from lepton_jlab import Run

_RATE = 50_000  # lines a second
_LATE = "a line, from print to the reader"
_TALK = """
import time
for _ in range({lines}):
    print(time.monotonic())
    time.sleep(0.037)
"""
_FLOOD = """
import time
import lepton_jlab as lepton
lines, block = {lines}, {rate} // 100
start = time.monotonic()
for first in range(0, lines, block):
    for line in range(first, first + block):
        print("line", line, "of a flood")
    time.sleep(max(0, start + (first + block) / {rate} - time.monotonic()))
lepton.log(rate=lines / (time.monotonic() - start))
"""
_TORRENT = """
import time
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    print("a line of a torrent, which nothing but its reader slows")
"""
_LOOP = """
import time
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    pass
"""
_TASK, _EMPTY = "Dask task", "empty cell"


def measure(rounds: int, quick: bool) -> Result:
    """Follow a run as a notebook does; then use one worker while the other is flooded."""
    lasts = 1 if quick else 2
    lines = lasts * _RATE
    beside = {
        "alone": None,
        "beside a loop": _LOOP.format(seconds=lasts),
        "beside a flood": _FLOOD.format(lines=lines, rate=_RATE),
        "beside a torrent": _TORRENT.format(seconds=lasts),
    }
    late: list[float] = []
    samples: Samples = {}
    pooled: Samples = {}
    floods: list[Run] = []
    with cluster() as used, used.client() as client:
        for number in range(rounds):
            say(f"  round {number + 1} of {rounds}")
            late += _latencies(20 if quick else 100)
            for where, cell in beside.items():
                run, found = _meanwhile(client, cell, lasts)
                for what, values in found.items():
                    samples.setdefault(f"{what} {where}", []).append(median(values))
                    pooled.setdefault(f"{what} {where}", []).extend(values)
                if run is not None and where == "beside a flood":
                    floods.append(run)
        say("")
        lost = sum(_lost(run, lines) for run in floods)
        rate = median(run.metrics["rate"] for run in floods)
    figures = [
        Figure(f"{_LATE}, p50", percentile(late, 50) * 1e3, "ms"),
        Figure(f"{_LATE}, p95", percentile(late, 95) * 1e3, "ms", at_most=60),
        Figure("a flood, lines lost or doubled", lost, "lines", at_most=0),
        Figure("the flood, as fast as it wanted", rate, "lines/s", at_least=0.99 * _RATE),
    ]
    for what in (_TASK, _EMPTY):
        for where in list(beside)[1:]:
            title, alone = f"{what} {where}", f"{what} alone"
            goal = None if where == "beside a loop" else 2.0
            figures.append(Figure(f"{title}, p50", ratio(samples, title, alone), TIMES, goal))
            p95 = percentile(pooled[title], 95) / percentile(pooled[alone], 95)
            figures.append(Figure(f"{title}, p95", p95, TIMES))
    return Result(figures, {_LATE: late, **samples})


def _latencies(lines: int) -> list[float]:
    """Return for each line the time from its print to its reading here."""
    from lepton_jlab.runs.follow import follow

    run = submit(_TALK.format(lines=lines))
    taken = []
    following = 0
    for _ in follow([run]):
        messages = run.messages(following)
        now = time.monotonic()
        for message in messages:
            following = message["seq"] + 1
            taken += [now - float(stamp) for stamp in message["text"].split()]
    return taken


def _meanwhile(client: Client, cell: str | None, lasts: float) -> tuple[Run | None, Samples]:
    """Start a cell, if there is one, and time tasks and runs on the other worker until it ends."""
    workers = {str(w["name"]): address for address, w in _workers(client).items()}
    run = None if cell is None else submit(cell)
    end = time.monotonic() + lasts
    if run is not None:
        while (host := run.to_dict()["worker"]) is None:
            time.sleep(0.01)
        del workers[host]
    neighbour = next(iter(workers.values()))
    found: Samples = {_TASK: [], _EMPTY: []}
    while time.monotonic() < end:
        found[_TASK].append(seconds(lambda: _task(client, neighbour)))
        found[_EMPTY].append(seconds(lambda: submit("x = 1").wait()))
    if run is not None and run.wait().state != "done":
        raise RuntimeError(f"{run!r}: {run.error}")
    return run, found


def _workers(client: Client) -> dict[str, Any]:
    workers: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return workers


def _task(client: Client, worker: str) -> None:
    client.submit(abs, -1, pure=False, workers=[worker]).result()


def _lost(run: Run, lines: int) -> int:
    printed = run.output.splitlines()
    expected = {f"line {line} of a flood" for line in range(lines)}
    return len(expected - set(printed)) + len(printed) - len(set(printed))
