"""What a metric's name tells about it: which way is better, and which one speaks for a run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

Direction = Literal["min", "max"]

_LESS_IS_BETTER = frozenset(
    {"loss", "error", "err", "errors", "mae", "mse", "msle", "mape", "rmse", "rmsle", "wer", "cer"}
    | {"perplexity", "ppl", "crossentropy", "entropy", "divergence", "nll", "deviance", "brier"}
    | {"hinge", "huber", "poisson", "logcosh", "fid", "eer", "distance", "cost", "regret"}
    | {"time", "seconds", "latency", "duration", "wait"}
)

_NO_SCORE = frozenset(
    {"learning_rate", "lr", "weight_decay", "momentum", "beta_1", "beta_2", "temperature", "seed"}
    | {"step", "steps", "global_step", "epoch", "epochs", "iteration", "iterations", "batch"}
    | {"batch_size", "samples", "examples", "tokens", "time", "timestamp", "t"}
)


def _parts(metric: str) -> list[str]:
    return re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", metric)


def better(metric: str) -> Direction:
    """Tell whether less or more of `metric` is better.

    >>> better("val_loss"), better("mean_absolute_error"), better("accuracy")
    ('min', 'min', 'max')
    """
    return "min" if any(part.lower() in _LESS_IS_BETTER for part in _parts(metric)) else "max"


def is_score(metric: str) -> bool:
    """Tell whether one value of `metric` can be better than another at all.

    >>> is_score("loss"), is_score("learning_rate"), is_score("epoch")
    (True, False, False)
    """
    return metric.lower() not in _NO_SCORE


def family(metric: str) -> str:
    """Return the name that a metric shares with its validation variant.

    >>> family("val_loss")
    'loss'
    """
    return metric.removeprefix("val_")


def leading(metrics: Iterable[str]) -> str | None:
    """Choose the metric by which runs are ranked and drawn: a loss, on validation data if any."""
    every = list(metrics)
    names = [name for name in every if is_score(name)] or every
    for wanted in ("val_loss", "loss"):
        if wanted in names:
            return wanted
    losses = [name for name in names if "loss" in (part.lower() for part in _parts(name))]
    ranked = sorted(losses or names, key=lambda name: not name.startswith("val_"))
    return ranked[0] if ranked else None


def opposite(metric: str, metrics: Iterable[str]) -> str | None:
    """Choose what to draw beside `metric`: an accuracy beside a loss, on the same data if any.

    >>> opposite("val_loss", ["accuracy", "loss", "val_accuracy", "learning_rate"])
    'val_accuracy'
    """
    others = [name for name in metrics if is_score(name) and better(name) != better(metric)]
    validation = metric.startswith("val_")
    ranked = sorted(others, key=lambda name: name.startswith("val_") != validation)
    return ranked[0] if ranked else None


def best(values: Mapping[str, Any], metric: str) -> str | None:
    """Return the key of the best of `values`; none if fewer than two can be compared."""
    if not is_score(metric):
        return None
    known = {
        key: float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    if len(known) < 2:
        return None
    choose = min if better(metric) == "min" else max
    return choose(known, key=lambda key: known[key])
