"""The columns that tables of runs share: parameters and metrics, the best of each marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lepton_jlab.cost import amounts
from lepton_jlab.runs import words
from lepton_jlab.runs.metrics import best, is_score
from lepton_jlab.runs.views.page import LEAST, RunDict
from lepton_jlab.runs.views.table import Cell


def metric_names(runs: Sequence[RunDict]) -> list[str]:
    """Return what was logged, in that order, but not a learning rate that repeats a parameter."""
    names = dict.fromkeys(name for run in runs for name in run.get("metrics") or ())
    keys = param_names(runs)
    return [n for n in names if is_score(n) or not any(_repeats(runs, n, key) for key in keys)]


def param_names(runs: Sequence[RunDict]) -> list[str]:
    """Return the names of all parameters, in order."""
    return list(dict.fromkeys(key for run in runs for key in run.get("params") or ()))


def best_of(runs: Sequence[RunDict], metric: str) -> str | None:
    """Return the id of the run with the best last value, if some can be compared."""
    return best({run["id"]: (run.get("metrics") or {}).get(metric) for run in runs}, metric)


def metric_cells(shown: Sequence[RunDict], metric: str, among: Sequence[RunDict]) -> list[Cell]:
    """Return one column; the best is that of all runs `among` which the shown ones are."""
    top = best_of(among, metric)
    texts = words.numbers([(run.get("metrics") or {}).get(metric, "") for run in shown])
    return [Cell(text, best=run["id"] == top) for run, text in zip(shown, texts, strict=True)]


def param_cells(shown: Sequence[RunDict], key: str) -> list[Cell]:
    """Return one column of what the runs were given."""
    values = ((run.get("params") or {}).get(key, "") for run in shown)
    return [Cell(words.shortened(words.number(value), 24)) for value in values]


def cost_columns(shown: Sequence[RunDict]) -> dict[str, list[Cell]]:
    """Return energy and money of runs by the headers of their columns, where they are anything."""
    costs = [run.get("cost") or {} for run in shown]
    if not any(cost.get("energy_wh", 0) >= LEAST for cost in costs):
        return {}
    energy = [Cell(amounts.energy(cost["energy_wh"]) if cost else "") for cost in costs]
    money = [Cell(amounts.money(c["money"], c["currency"]) if c else "") for c in costs]
    return {"energy": energy, "cost": money}


def is_numeric(runs: Sequence[RunDict], key: str) -> bool:
    """Tell whether a parameter is a number in every run that has it."""
    known = [run["params"][key] for run in runs if key in (run.get("params") or {})]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)


def _repeats(runs: Sequence[RunDict], metric: str, key: str) -> bool:
    pairs = [
        (run["metrics"][metric], (run.get("params") or {}).get(key))
        for run in runs
        if metric in (run.get("metrics") or {})
    ]
    return all(_same(value, given) for value, given in pairs)


def _same(value: Any, given: Any) -> bool:
    if not isinstance(value, int | float) or not isinstance(given, int | float):
        return False
    return math.isclose(value, given, rel_tol=1e-5)  # Keras keeps it as float32
