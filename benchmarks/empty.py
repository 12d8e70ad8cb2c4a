"""Empty cells: one at a time as a person waits for it, and 200 in one submission."""

from __future__ import annotations

from functools import partial

from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import interleave, median_of, median_seconds, ratio, seconds
from benchmarks.ways import BARE, IPYPARALLEL, KEPT, LEPTON, RAY, open_ways

_CELL = "x = 1"
_BREATH = 0.05  # seconds between two single cells, as between two keystrokes


def measure(rounds: int, quick: bool) -> Result:
    """Time single cells and batches of them, all ways in turn."""
    singles, batch = (5, 20) if quick else (20, 200)
    with open_ways([LEPTON, KEPT, BARE, IPYPARALLEL, RAY]) as (runs, notes):
        ways = {}
        for name, run in runs.items():
            one = partial(run, _CELL, 1)
            ways[_single(name)] = partial(median_seconds, one, singles, _BREATH)
        for name, run in runs.items():
            ways[_each(name)] = partial(_per_cell, partial(run, _CELL, batch), batch)
        samples = interleave(ways, rounds)
    figures = []
    for shape in (_single, _each):
        for name, goal in ((LEPTON, 15), (KEPT, 3)):
            mine = shape(name)
            figures.append(Figure(mine, median_of(samples, mine) * 1e3, "ms", at_most=goal))
            figures += [
                Figure(f"{mine}, against {other}", ratio(samples, mine, shape(other)), TIMES)
                for other in (BARE, IPYPARALLEL, RAY)
                if other in runs
            ]
    return Result(figures, samples, notes)


def _single(name: str) -> str:
    return f"empty cell, submit to result: {name}"


def _each(name: str) -> str:
    return f"each of many empty cells in one submission: {name}"


def _per_cell(work: partial[None], count: int) -> float:
    return seconds(work) / count
