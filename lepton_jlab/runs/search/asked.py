"""What a user wants of a search, checked before anything starts, as the record keeps it."""

from __future__ import annotations

import importlib.util
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from lepton_jlab import ranges
from lepton_jlab.errors import MissingDependencyError, UsageError, suggestion
from lepton_jlab.ranges import Range
from lepton_jlab.runs.metrics import better

SEARCHES = ("tpe", "random")
PRUNERS = ("hyperband", "median", "none")


class Asked(TypedDict):
    """A search as JSON, in the options of its submission.

    ``space`` has a range as text, or a list of values, for each variable; ``metric`` and ``mode``
    are None until the first trial has shown what there is; ``steps`` is how often a run reports, as
    far as Keras has told; ``state`` is ``running``, ``done`` or
    ``cancelled``, or ``failed``, for the reason in ``error``.
    """

    space: dict[str, Any]
    trials: int
    repeat: int
    search: str
    prune: str
    metric: str | None
    mode: Literal["min", "max"] | None
    seed: int
    steps: int | None
    state: str
    error: str | None


def make_search(
    sweep: Mapping[str, Range | Sequence[Any]],
    *,
    repeat: int,
    trials: int | None,
    search: str | None,
    prune: str | None,
    metric: str | None,
    mode: Literal["min", "max"] | None,
    seed: int | None,
) -> Asked | None:
    """Return the search that is asked for, None where it is a plain grid.

    Raises
    ------
    UsageError
        Something does not fit together, or there is nothing of that name.
    MissingDependencyError
        Optuna is not installed.
    """
    if trials is None:
        for name, values in sweep.items():
            if isinstance(values, Range):
                raise UsageError(
                    f"--sweep {name}={values} is a range: say how many trials choose from it, "
                    "such as --trials 20."
                )
        given = {"search": search, "prune": prune, "metric": metric, "seed": seed, str(mode): mode}
        for option, value in given.items():
            if value is not None:
                raise UsageError(f"--{option} belongs to a search: add --trials N.")
        return None
    if trials < 1:
        raise UsageError(f"--trials is {trials}; it must be 1 or more.")
    if not sweep:
        raise UsageError(
            f"--trials {trials} has nothing to choose: add a range, --sweep lr=log(1e-4,1e-1), "
            "or a list."
        )
    search, prune = search or SEARCHES[0], prune or "none"
    for option, value, known in (("search", search, SEARCHES), ("prune", prune, PRUNERS)):
        if value not in known:
            raise UsageError(
                f"--{option} {value} is none of {', '.join(known)}.{suggestion(value, known)}"
            )
    if mode not in (None, "min", "max"):
        raise UsageError(f"mode is {mode!r}; it is 'min' or 'max'.")
    require_optuna()
    return {
        "space": {k: str(v) if isinstance(v, Range) else v for k, v in sweep.items()},
        "trials": trials,
        "repeat": repeat,
        "search": search,
        "prune": prune,
        "metric": metric,
        "mode": mode or (better(metric) if metric else None),
        "seed": secrets.randbelow(2**32) if seed is None else seed,
        "steps": None,
        "state": "running",
        "error": None,
    }


def require_optuna() -> None:
    """Raise a MissingDependencyError where there is no Optuna."""
    if importlib.util.find_spec("optuna") is None:
        raise MissingDependencyError("Optuna, which chooses the trials of a search,", "search")


def choices(space: Mapping[str, Any]) -> dict[str, Range | dict[str, Any]]:
    """Return each variable's range, or its values by the text that stands for them."""
    return {
        name: ranges.read(listed) or {}
        if isinstance(listed, str)
        else {json.dumps(value): value for value in listed}
        for name, listed in space.items()
    }
