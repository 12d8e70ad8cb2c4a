"""What a run will take, by earlier runs of the same code; and how far off that was afterwards.

After a start that is always the same, the logarithm of the time is a linear function of the
logarithms of what differs between the runs: parameters, numbers and lengths of what came along. As
there are few runs, each exponent is drawn to what it usually is: 1 for epochs, steps and lengths
(twice the data take twice the time), 0 for the rest (a ridge regression towards these). So the
first estimate scales by data and epochs, and later ones learn what else matters.
"""

from __future__ import annotations

import ast
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from lepton_jlab.runs import records
from lepton_jlab.runs.capture.sizes import LENGTH

Estimate = dict[str, Any]

_RUNS = 40  # the newest of the same code
_NOISE = 0.06  # how much equal runs differ, as a share of their time
_WORK = re.compile(r"(?:.*_)?(epochs?|steps?|iterations?|iters?|samples?|rows|rounds|n)")
_FEW = 4  # runs from which on it is told apart what is the same whatever the work
_STARTS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.98)  # of the shortest run, that may be
_SPREADS = {1.0: 0.3, 0.0: 0.5}  # how far exponents are from what they usually are

_EARLIER = """
SELECT r.params, r.started, r.ended, r.cost, r.estimate, r.devices, s.options
FROM runs r JOIN submissions s ON s.id = r.submission
WHERE s.digest = ? AND r.state = 'done' AND r.attempt = 1 ORDER BY r.id DESC LIMIT ?
"""


def digest(code: str) -> str:
    """Return what cells have in common that differ in comments and layout alone."""
    try:
        text = ast.dump(ast.parse(code))
    except (SyntaxError, ValueError):  # with magics
        text = code
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def estimates(
    code: str, params: Sequence[Mapping[str, Any]], sizes: Mapping[str, float], *, gpu: bool
) -> list[Estimate | None]:
    """Estimate the runs of a submission; None for those of code that has not run yet.

    Parameters
    ----------
    code
        Its `digest`.
    params
        The variables of each run.
    sizes
        What it is given, as `lepton_jlab.runs.capture.sizes.sizes` says.
    gpu
        Whether it will run on a GPU: then runs without one tell nothing, and the other way round.

    Returns
    -------
    list of dict
        ``seconds``, ``energy_wh``, ``money``, ``currency`` (these None where costs are not known);
        ``runs``: on how many it rests; ``typical_error``: the median of how far their estimates
        were off, as a share, or None; ``error``: None, until it is known by `scored`.
    """
    earlier = [
        row
        for row in records.select(_EARLIER, (code, _RUNS))
        if row["ended"] > row["started"] and gpu == _on_gpu(row["devices"])
    ]
    if not earlier:
        return [None] * len(params)
    known = [{**(row["options"].get("sizes") or {}), **row["params"]} for row in earlier]
    times = [row["ended"] - row["started"] for row in earlier]
    wanted = [{**sizes, **own} for own in params]
    seconds = predicted(known, times, wanted)
    off = [row["estimate"]["error"] for row in earlier if (row["estimate"] or {}).get("error")]
    costs = [(row["cost"], time) for row, time in zip(earlier, times, strict=True) if row["cost"]]
    about = {"runs": len(earlier), "typical_error": median(off) if off else None, "error": None}
    return [{"seconds": one, **_priced(one, costs), **about} for one in seconds]


def scored(estimate: Mapping[str, Any], seconds: float) -> Estimate:
    """Return an estimate with how far it was off, as a share of the seconds it has taken."""
    return {**estimate, "error": abs(estimate["seconds"] - seconds) / max(seconds, 1e-3)}


def typical_error() -> tuple[float, int] | None:
    """Return the median error of all estimates that were scored, and how many they are."""
    rows = records.select(
        "SELECT estimate FROM runs WHERE estimate IS NOT NULL AND state = 'done' "
        "ORDER BY id DESC LIMIT 1000"
    )
    errors = [e for row in rows if (e := row["estimate"]["error"]) is not None]
    return (median(errors), len(errors)) if errors else None


def predicted(
    known: Sequence[Mapping[str, Any]],
    times: Sequence[float],
    wanted: Sequence[Mapping[str, Any]],
) -> list[float]:
    """Return the seconds that runs will take, by what others took.

    Parameters
    ----------
    known, wanted
        Numbers, or other values, by name: of the runs whose `times` (s) are known, and of those
        that are asked for.

    Examples
    --------
    >>> [round(t, 3) for t in predicted([{"epochs": 2}], [10.0], [{"epochs": 4}, {"epochs": 2}])]
    [20.0, 10.0]
    """
    import numpy as np

    columns, exponents = _columns([*known, *wanted])
    if not columns:
        return [median(times)] * len(wanted)
    table = np.array(columns, float).reshape(len(columns), -1).T
    x, asked = table[: len(known)], table[len(known) :]
    usual, spread = np.array(exponents), np.array([_SPREADS[one] for one in exponents])
    centre, taken = x.mean(axis=0), np.array(times, float)
    inner = (x - centre) * spread
    solved = np.linalg.solve(inner.T @ inner + _NOISE**2 * np.eye(len(usual)), inner.T)
    best, least = asked[:, 0], math.inf
    for share in _STARTS if len(known) >= _FEW else (0.0,):
        start = share * taken.min()
        rest = np.log(taken - start) - x @ usual  # what is left when exponents are as usual
        level = rest.mean() if len(known) >= _FEW else np.median(rest)
        slopes = solved @ (rest - level)
        off = np.log(start + np.exp(x @ usual + level + inner @ slopes)) - np.log(taken)
        doubt = float(off @ off / _NOISE**2 + slopes @ slopes)
        if doubt < least:
            least = doubt
            best = start + np.exp(asked @ usual + level + ((asked - centre) * spread) @ slopes)
    return [float(one) for one in best]


def _columns(rows: Sequence[Mapping[str, Any]]) -> tuple[list[list[float]], list[float]]:
    """Return what differs between runs as columns of numbers, and the usual exponent of each."""
    columns: dict[tuple[float, ...], float] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        if all(map(_is_positive, values)):
            logs = tuple(math.log(value) for value in values)  # type: ignore[arg-type]
            work = name.startswith(LENGTH) or _WORK.fullmatch(name.lower())
            if max(logs) > min(logs):  # two of one length, such as x and y, count once
                columns.setdefault(logs, 1.0 if work else 0.0)
            continue
        kinds = list(dict.fromkeys(map(repr, values)))
        for kind in kinds[1:]:
            columns.setdefault(tuple(float(repr(value) == kind) for value in values), 0.0)
    return [list(column) for column in columns], list(columns.values())


def _is_positive(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 < value < math.inf


def _priced(seconds: float, costs: Sequence[tuple[Mapping[str, Any], float]]) -> Estimate:
    """Return what a time costs, by what it cost a second before."""
    if not costs:
        return {"energy_wh": None, "money": None, "currency": None}
    found = {
        key: seconds * median(cost[key] / time for cost, time in costs)
        for key in ("energy_wh", "money")
    }
    return {**found, "currency": costs[0][0]["currency"]}


def _on_gpu(devices: Sequence[str]) -> bool:
    return any(device != "cpu" for device in devices)
