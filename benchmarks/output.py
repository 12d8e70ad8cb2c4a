"""Live output: how soon a line is here, what a flood loses, and what it costs the neighbours."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
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
    """Follow a run as a notebook does; then use one worker while the other one is flooded."""
    lasts = 1.0 if quick else 1.5
    lines = int(lasts * _RATE)
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
            run, taken = _latencies(20 if quick else 100)
            late += taken
            works = {_TASK: lambda worker: _task(client, worker), _EMPTY: lambda _: _empty()}
            # Tasks first: an empty cell would hold the worker that they are to run on.
            for what, work in works.items():
                for where, cell in beside.items():
                    run, values = _meanwhile(client, cell, lasts, work, run)
                    samples.setdefault(f"{what} {where}", []).append(median(values))
                    pooled.setdefault(f"{what} {where}", []).extend(values)
                    if where == "beside a flood":
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


def _latencies(lines: int) -> tuple[Run, list[float]]:
    """Return a run and, for each line it printed, the time from its print to its reading here."""
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
    return run, taken


def _meanwhile(
    client: Client, cell: str | None, lasts: float, work: Callable[[str], None], last: Run
) -> tuple[Run, list[float]]:
    """Start a cell, if there is one, and time `work` on the other worker as long as it lasts.

    Without one, the other worker is the one where the `last` run was not.
    """
    run = last if cell is None else submit(cell)
    end = time.monotonic() + lasts
    while (busy := run.to_dict()["worker"]) is None:
        time.sleep(0.01)
    neighbour = next(a for a, w in _workers(client).items() if str(w["name"]) != busy)
    values = []
    while time.monotonic() < end:
        values.append(seconds(partial(work, neighbour)))
    if run.wait().state != "done":
        raise RuntimeError(f"{run!r}: {run.error}")
    return run, values


def _workers(client: Client) -> dict[str, Any]:
    workers: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return workers


def _task(client: Client, worker: str) -> None:
    client.submit(abs, -1, pure=False, workers=[worker]).result()


def _empty() -> None:
    submit("x = 1").wait()


def _lost(run: Run, lines: int) -> int:
    printed = run.output.splitlines()
    expected = {f"line {line} of a flood" for line in range(lines)}
    return len(expected - set(printed)) + len(printed) - len(set(printed))
