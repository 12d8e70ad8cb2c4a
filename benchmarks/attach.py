"""A new kernel finds a run that goes on, and has all that it printed so far."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.home import cluster, submit
from benchmarks.report import Figure, Result
from benchmarks.rounds import Samples, interleave, median_of, seconds

if TYPE_CHECKING:
    from lepton_jlab import Run

_ATTACH = "new kernel attaches: all output of a run that goes on"
_DRAWN = "the same, drawn as a cell shows it"
_KERNEL = "the start of such a kernel"
_CELL = """
import time
import lepton_jlab as lepton
for line in range({lines}):
    print("line", line, "of a run that goes on")
for step in range(1000):
    lepton.log(step=step, loss=1 / (step + 1))
print("written")
time.sleep(1e6)
"""
_FIND = """
import lepton_jlab as lepton
assert [c.name for c in lepton.clusters()] == ["bench"]
run = lepton.run("{run}")
assert run.state == "running"
assert run.output.count("\\n") == {lines} + 1, run.output.count("\\n")
assert len(run.history) == 1000, len(run.history)
"""
_DRAW = """
from lepton_jlab.runs.views import live
live.show(run)
"""


def measure(rounds: int, quick: bool) -> Result:
    """Start a kernel each time, as a restart does, and ask it for everything."""
    from lepton_jlab.runs.follow import follow

    lines = 1_000 if quick else 50_000
    with cluster():
        run = submit(_CELL.format(lines=lines))
        for _ in follow([run], timeout=60):
            if any("written" in message["text"] for message in run.messages(tail=1000)):
                break
        parts: Samples = {_KERNEL: [], _DRAWN: []}
        samples = interleave({_ATTACH: partial(_attach, run, lines, parts)}, rounds) | parts
        run.cancel(force=True)
    what = f"{_ATTACH} ({lines:,} lines)"
    return Result(
        [
            Figure(what, median_of(samples, _ATTACH), "s", at_most=2),
            Figure(_DRAWN, median_of(samples, _DRAWN), "s"),
        ],
        samples,
    )


def _attach(run: Run, lines: int, parts: Samples) -> float:
    from jupyter_client.manager import KernelManager

    manager = KernelManager()
    opened: list[Any] = []

    def start() -> None:
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        opened.append(client)

    try:
        parts[_KERNEL].append(seconds(start))
        find = _FIND.format(run=run.id, lines=lines)
        taken = seconds(lambda: _execute(opened[0], find))
        parts[_DRAWN].append(taken + seconds(lambda: _execute(opened[0], _DRAW)))
        return taken
    finally:
        for client in opened:
            client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def _execute(client: Any, code: str) -> None:
    reply = client.execute_interactive(code, timeout=60, output_hook=lambda _: None)
    if reply["content"]["status"] != "ok":
        raise RuntimeError("\n".join(reply["content"]["traceback"]))
