"""From asking for a training cell to the end of its first step: warm, and in a new process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from benchmarks.home import cluster, submit
from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import interleave, median_of, ratio
from benchmarks.training import training_cell

_LEPTON = "first training step: Lepton, warm"
_PROCESS = "first training step: a new process"

# The clock is the machine's, the same in all processes.
_BEFORE = """
import time
steps = []
stamp = lambda batch, logs: steps.append(time.monotonic())
callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=stamp))
"""
_CELL = "seed = 0\n" + training_cell(
    epochs=1, samples=128, before=_BEFORE, after='print("step", steps[0])'
)


def measure(rounds: int, quick: bool) -> Result:  # noqa: ARG001 (one protocol)
    """Take the time inside the cell, when the first batch has been trained."""
    with cluster():
        ways = {_LEPTON: partial(_first_step, _run), _PROCESS: partial(_first_step, _process)}
        samples = interleave(ways, rounds)
    return Result(
        [
            Figure(_LEPTON, median_of(samples, _LEPTON), "s"),
            Figure(
                "first training step: a new process, against Lepton",
                ratio(samples, _PROCESS, _LEPTON),
                TIMES,
                at_least=10,
            ),
        ],
        samples,
    )


def _first_step(execute: Callable[[], str]) -> float:
    start = time.monotonic()
    words = execute().split()
    return float(words[words.index("step") + 1]) - start


def _run() -> str:
    return submit(_CELL).wait().output


def _process() -> str:
    command = [sys.executable, "-c", _CELL]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
