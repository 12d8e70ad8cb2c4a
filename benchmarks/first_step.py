"""From asking for a training cell to the end of its first step: warm, and in a new process."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import interleave, median_of, ratio
from benchmarks.training import training_cell
from benchmarks.ways import BARE, LEPTON, PROCESSES, Run, open_ways

# The clock is the machine's, the same in all processes.
_BEFORE = """
import time
steps = []
step = lambda batch, logs: steps.append(time.monotonic())
callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=step))
"""
_AFTER = "open({path!r}, 'w').write(str(steps[0]))"


def measure(rounds: int, quick: bool) -> Result:  # noqa: ARG001 (one protocol)
    """Take the time inside the cell, when the first batch has been trained."""
    with open_ways([LEPTON, BARE, PROCESSES]) as (runs, notes):
        ways = {_title(name): partial(_first_step, run) for name, run in runs.items()}
        samples = interleave(ways, rounds)
    mine, bare, process = map(_title, runs)
    return Result(
        [
            Figure(mine, median_of(samples, mine), "s"),
            Figure(f"{mine}, against {BARE}", ratio(samples, mine, bare), TIMES),
            Figure(f"{process}, against {LEPTON}", ratio(samples, process, mine), TIMES, None, 10),
        ],
        samples,
        notes,
    )


def _title(name: str) -> str:
    return f"first training step: {name}"


def _first_step(run: Run) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step"
        cell = training_cell(1, 128, before=_BEFORE, after=_AFTER.format(path=str(path)))
        start = time.monotonic()
        run(f"seed = 0\n{cell}", 1)
        return float(path.read_text()) - start
