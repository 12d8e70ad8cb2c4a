"""How everything is timed: all ways in turn, round after round, and the median of the rounds."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence

Samples = dict[str, list[float]]

_PAUSE = 0.2  # seconds in which one way ends what it began, so that the next is not charged for it


def interleave(
    ways: Mapping[str, Callable[[], float]], rounds: int, pause: float = _PAUSE
) -> Samples:
    """Take every way in turn (A B C A B C …), so that a busy spell of the machine hits them all.

    Parameters
    ----------
    ways
        By name, what returns one measurement.
    pause
        Seconds before each.
    """
    samples: Samples = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            say(f"  round {number + 1} of {rounds}: {name}")
            time.sleep(pause)
            samples[name].append(way())
    say("")
    return samples


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_seconds(work: Callable[[], object], times: int, pause: float = 0.0) -> float:
    """Return the median of a number of executions of `work`, with a pause before each."""
    taken = []
    for _ in range(times):
        time.sleep(pause)
        taken.append(seconds(work))
    return statistics.median(taken)


def median_of(samples: Samples, way: str) -> float:
    """Return the median of the rounds of one way."""
    return statistics.median(samples[way])


def ratio(samples: Samples, way: str, against: str) -> float:
    """Return the median over the rounds of `way` divided by `against` in the same round."""
    pairs = zip(samples[way], samples[against], strict=True)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def say(text: str) -> None:
    """Show progress on a terminal, in one line that overwrites itself."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
