"""Which runtime is to serve a model: all that can are timed on its stored samples and compared.

A process of its own, so that what loses the race leaves no memory behind.
"""

from __future__ import annotations

import json
import logging
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lepton_jlab.models.serving import runtimes
from lepton_jlab.models.serving.engine import samples_like
from lepton_jlab.models.serving.runtimes import Run
from lepton_jlab.models.serving.tensors import Arrays, Signature, Tensor
from lepton_jlab.models.version import Version

TOLERANCE = 1e-3  # of the largest stored answer; what differs more does not serve by itself
_BATCH = 32
_ROUNDS = 3
_SPAN = 0.1  # s that each is timed in a round, at least three times
_MOST = 200  # times

log = logging.getLogger("lepton.race")


@dataclass(frozen=True, slots=True)
class Lap:
    """How one candidate did.

    Attributes
    ----------
    single, batch
        Seconds for one sample, and for 32 together; the best of the rounds' medians.
    difference
        The largest from the stored answers, as a share of the largest of those; None where none
        are stored.
    problem
        Why it cannot serve; empty if it can.
    """

    candidate: str
    single: float = math.inf
    batch: float = math.inf
    difference: float | None = None
    problem: str = ""


def run_race(version: Version, threads: int) -> list[Lap]:
    """Time all candidates, the best one first.

    The best has the least product of both times: twice as fast for one client counts as much as
    twice as fast for many.
    """
    inputs, _ = stored(version)
    laps: dict[str, Lap] = {}
    runs: dict[str, Run] = {}
    for candidate, file in runtimes.available(version).items():
        try:
            run = runtimes.load(version, candidate, file, threads)
            difference = difference_of(version, run)
            _seconds(run, inputs, 1)  # what is done once is not to count
        except Exception as error:
            log.exception("%s cannot serve %s", candidate, version)
            first = next(iter(str(error).splitlines()), "")
            laps[candidate] = Lap(candidate, problem=f"{type(error).__name__}: {first}")
            continue
        problem = ""
        if difference is not None and not difference <= TOLERANCE:
            problem = f"its answers differ by {difference:.2g}, more than {TOLERANCE:g}"
        laps[candidate] = Lap(candidate, difference=difference, problem=problem)
        runs[candidate] = run
    for _ in range(_ROUNDS):  # in turn, so that a busy spell of the machine hits them all
        for candidate, run in runs.items():
            lap = laps[candidate]
            laps[candidate] = replace(
                lap,
                single=min(lap.single, _seconds(run, inputs, 1)),
                batch=min(lap.batch, _seconds(run, inputs, _BATCH)),
            )
    return sorted(laps.values(), key=lambda lap: (bool(lap.problem), lap.single * lap.batch))


def stored(version: Version) -> tuple[Arrays, Arrays]:
    """Return stored inputs of a version, as the model takes them, and its stored answers.

    Zeros and no answers where no samples are stored.
    """
    try:
        samples = version.samples
    except FileNotFoundError:
        samples = None
    if samples is None or not samples.inputs or not len(samples):
        taken = (Tensor(t["name"], tuple(t["shape"]), t["dtype"]) for t in version.inputs)
        return samples_like(Signature(version.name, version.number, tuple(taken), ()), 1), {}
    return {name: _bytes(array) for name, array in samples.inputs.items()}, samples.outputs


def difference_of(version: Version, run: Run) -> float | None:
    """Return how far a runtime is off the stored answers, as a share of the largest."""
    inputs, expected_of = stored(version)
    worst = None
    answers = run(inputs)
    for name, expected in expected_of.items():
        got = answers.get(name)
        if got is None or expected.dtype.kind not in "fiub":
            continue
        scale = float(np.max(np.abs(expected), initial=0.0)) or 1.0
        off = float(np.max(np.abs(got.astype(float) - expected.astype(float)), initial=0.0)) / scale
        worst = off if worst is None else max(worst, off)
    return worst


def _bytes(array: Any) -> Any:
    return (
        np.char.encode(array).astype(object)
        if array.dtype.kind == "U"
        else (array.astype(object) if array.dtype.kind == "S" else array)
    )


def _seconds(run: Run, inputs: Arrays, rows: int) -> float:
    batch = {name: np.resize(array, (rows, *array.shape[1:])) for name, array in inputs.items()}
    run(batch)
    taken: list[float] = []
    while len(taken) < 3 or (sum(taken) < _SPAN and len(taken) < _MOST):
        start = time.perf_counter()
        run(batch)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def table(laps: Sequence[Lap]) -> str:
    """Write the race as lines of text, the winner first."""
    width = max(len(lap.candidate) for lap in laps)
    lines = [f"{'runtime':<{width}}  1 sample  32 samples  difference"]
    for lap in laps:
        off = "-" if lap.difference is None else f"{lap.difference:.1g}"
        times = (
            f"{lap.single * 1e3:5.2f} ms  {lap.batch * 1e3:7.2f} ms" if lap.single < 1e9 else "-"
        )
        lines.append(f"{lap.candidate:<{width}}  {times}  {off:>10}  {lap.problem}".rstrip())
    return "\n".join(lines)


def main() -> None:
    """Race the version that standard input names; print the laps as JSON."""
    asked = json.load(sys.stdin)
    version = Version(asked["name"], asked["version"], Path(asked["folder"]))
    laps = run_race(version, asked["threads"])
    json.dump([asdict(lap) for lap in laps], sys.stdout)


if __name__ == "__main__":
    main()
