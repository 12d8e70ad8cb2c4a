"""Eight short training cells on two workers, against the floor and the peers."""

from __future__ import annotations

from functools import partial

from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import interleave, median_of, ratio, seconds
from benchmarks.training import training_cell
from benchmarks.ways import (
    BARE,
    IPYPARALLEL,
    KEPT,
    LEPTON,
    PROCESSES,
    RAY,
    RAY_ISOLATED,
    open_ways,
)

_TARGETS = (
    (LEPTON, BARE, 1.05),
    (LEPTON, IPYPARALLEL, 1.0),
    (LEPTON, PROCESSES, 0.2),
    (LEPTON, RAY_ISOLATED, 0.2),
    (KEPT, RAY, 1.0),
)


def measure(rounds: int, quick: bool) -> Result:
    """Time all cells of a way together, all ways in turn."""
    count = 2 if quick else 8
    cell = training_cell(epochs=1, samples=512) if quick else training_cell()
    with open_ways([LEPTON, BARE, IPYPARALLEL, KEPT, RAY, PROCESSES, RAY_ISOLATED]) as opened:
        runs, notes = opened
        ways = {name: partial(seconds, partial(run, cell, count)) for name, run in runs.items()}
        samples = interleave(ways, rounds)
    what = f"{count} training cells on 2 workers"
    figures = [Figure(f"{what}: {LEPTON}", median_of(samples, LEPTON), "s")]
    figures += [
        Figure(f"{what}: {mine}, against {other}", ratio(samples, mine, other), TIMES, at_most=goal)
        for mine, other, goal in _TARGETS
        if other in samples
    ]
    return Result(figures, samples, notes)
