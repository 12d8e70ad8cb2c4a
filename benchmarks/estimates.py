"""How far estimates before a run are off, by the number of earlier runs of the same code."""

from __future__ import annotations

import random
from statistics import median

import numpy as np

from benchmarks.home import cluster
from benchmarks.report import Figure, Result

# Real work on a processor: matrix products, and sorting, which grows otherwise; a start that is
# always the same.
_CELL = """
import numpy as np, time
rng = np.random.default_rng(0)
sum(i * i for i in range(2_000_000))
x, w = rng.random((len(data), units)), rng.random((units, units))
for epoch in range(epochs):
    for _ in range(4):
        x = np.tanh(x @ w / units)
    if kind == "sorted":
        np.sort(x, axis=0)
"""
_AFTER = 10  # runs; from then on the error counts
_FIRST = "error of the first estimate of a code, median"
_LATER = f"error of estimates after {_AFTER} runs, median"


def measure(rounds: int, quick: bool) -> Result:
    """Submit runs of random sizes one after the other, and look at what was estimated."""
    import lepton_jlab as lepton

    count = 14 if quick else 30
    first: list[float] = []
    later: list[float] = []
    with cluster():
        for number in range(rounds):
            draw = random.Random(number)
            code = f"{_CELL}\nround = {number}"  # another code: it begins without any run
            for place in range(count):
                data = np.zeros(draw.choice([2_000, 5_000, 20_000]))
                point = {
                    "units": [draw.choice([32, 64, 128])],
                    "epochs": [draw.choice([2, 5, 10, 20])],
                    "kind": [draw.choice(["plain", "sorted"])],
                }
                [run] = lepton.submit(code, sweep=point, namespace={"data": data}).wait(300)
                told = run.to_dict()["estimate"]
                if told is not None and place <= 3:
                    first.append(100 * told["error"])
                elif told is not None and place >= _AFTER:
                    later.append(100 * told["error"])
    return Result(
        [
            Figure(_LATER, median(later), "%", at_most=20),
            Figure(_FIRST, median(first), "%"),
        ],
        {_LATER: later, _FIRST: first},
        units={_LATER: "%", _FIRST: "%"},
    )
