"""How many labels the order by doubt needs for what a random order reaches, on Fashion-MNIST."""

from __future__ import annotations

import statistics

import numpy as np

from benchmarks.report import TIMES, Figure, Result
from lepton_jlab.data.label.queue import Queue, doubt
from lepton_jlab.data.sources import find_source

POOL, TEST, LABELS, STEP = 20_000, 4_000, 600, 30


def measure(rounds: int, quick: bool) -> Result:
    """Label a pool in both orders, with one seed a round."""
    labels = LABELS // 3 if quick else LABELS
    x, y = _pictures()
    shares: list[float] = []
    goals: list[float] = []
    for seed in range(rounds):
        order = np.random.default_rng(seed).permutation(len(x))
        pool, test = order[:POOL], order[POOL : POOL + TEST]
        data = (x[pool], y[pool], x[test], y[test], labels, seed)
        by_chance, by_doubt = _course(*data, active=False), _course(*data, active=True)
        goals.append(by_chance[-1])
        needed = next((n for n, reached in enumerate(by_doubt, 1) if reached >= goals[-1]), None)
        shares.append(len(by_doubt) * 10 if needed is None else needed / len(by_doubt))
    title = f"labels that the order by doubt needs for what {labels} at random give"
    told = ", ".join(f"{share:.0%}" for share in sorted(shares))
    return Result(
        [Figure(title, statistics.median(shares), TIMES, at_most=0.6)],
        {},
        [f"by seed: {told}; accuracy of a softmax regression: {statistics.median(goals):.3f}"],
    )


def _pictures() -> tuple[np.ndarray, np.ndarray]:
    """Return pictures of 14 x 14, shape ``(samples, 196)`` from 0 to 1, and their classes."""
    loaded = find_source("fashion-mnist").load("fashion-mnist", None)
    part = loaded.parts[next(iter(loaded.parts))]
    x = np.asarray(part["x"][: POOL + TEST]).reshape(-1, 28, 28).astype(np.float64) / 255
    small = x.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(len(x), -1)
    return small, np.asarray(part["y"][: POOL + TEST]).reshape(-1).astype(np.int64)


def _course(
    x: np.ndarray,
    y: np.ndarray,
    test_x: np.ndarray,
    test_y: np.ndarray,
    labels: int,
    seed: int,
    *,
    active: bool,
) -> list[float]:
    """Label `STEP` samples at a time and return the accuracy after each."""
    queue = Queue(len(x), "random", seed)
    chosen: list[int] = []
    reached = []
    while len(chosen) < labels:
        chosen += queue.first(STEP, without=set(chosen))
        weights = _learn(x[chosen], y[chosen])
        reached.append(float((_probabilities(test_x, weights).argmax(1) == test_y).mean()))
        if active:
            queue.rank_by(doubt(_probabilities(x, weights)))
    return reached


def _learn(x: np.ndarray, y: np.ndarray, steps: int = 300, rate: float = 1.0) -> np.ndarray:
    """Return the weights of a softmax regression, by gradient descent with momentum."""
    inputs, targets = _with_one(x), np.eye(10)[y]
    weights = np.zeros((inputs.shape[1], 10))
    pace = np.zeros_like(weights)
    for _ in range(steps):
        slope = inputs.T @ (_softmax(inputs @ weights) - targets) / len(x) + 1e-3 * weights
        pace = 0.9 * pace - rate * 0.1 * slope
        weights += pace
    return weights


def _probabilities(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _softmax(_with_one(x) @ weights)


def _with_one(x: np.ndarray) -> np.ndarray:
    return np.hstack([x, np.ones((len(x), 1))])


def _softmax(values: np.ndarray) -> np.ndarray:
    exp = np.exp(values - values.max(1, keepdims=True))
    return exp / exp.sum(1, keepdims=True)
