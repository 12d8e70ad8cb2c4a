"""What runs have cost, summed by run, submission or day; beside it what is wasted and saved."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from lepton_jlab.cost.pricing import Cost, together
from lepton_jlab.cost.waste import idle_gpus, saved
from lepton_jlab.errors import UsageError, suggestion
from lepton_jlab.resources.gpus import look
from lepton_jlab.runs import records
from lepton_jlab.runs.costs import current_prices
from lepton_jlab.runs.estimates import typical_error
from lepton_jlab.runs.metrics import better, is_score

BY = ("run", "sweep", "day")

_QUERY = """
SELECT r.id, r.submission, r.state, r.metrics, r.progress, r.cost, r.started, r.ended,
       s.name, s.sweep, s.submitted
FROM runs r JOIN submissions s ON s.id = r.submission WHERE r.cost IS NOT NULL AND {} ORDER BY r.id
"""


def costs(
    ids: Iterable[str] = (),
    *,
    by: str = "sweep",
    days: float | None = None,
    folder: str | os.PathLike[str] = ".",
) -> dict[str, Any]:
    """Return what runs have cost.

    Parameters
    ----------
    ids
        Of runs, ``"r17"``, and sweeps, ``"s3"``, or their names; all if there is none.
    by : {"run", "sweep", "day"}
        What a row sums up; ``"sweep"``: a submission, be it a sweep or a single run.
    days
        Only those submitted in the last so many days.
    folder
        Whose datasets are asked what they save.

    Returns
    -------
    dict
        ``rows``: for each ``key``, ``name``, ``runs``, ``seconds`` and, as
        `lepton_jlab.cost.pricing.priced` says, its cost; with that `rates`. ``total``: all rows
        together. ``idle``: GPUs of this machine that rest, see
        `lepton_jlab.cost.waste.idle_gpus`; ``saved``: see `lepton_jlab.cost.waste.saved`;
        ``estimates``: ``typical_error`` (a share) and how many ``runs`` it is the median of.

    Raises
    ------
    UsageError, NotFoundError
        If `by` is something else, or there is no such run.
    """
    if by not in BY:
        raise UsageError(f"by is {by!r}; it is one of {', '.join(BY)}.{suggestion(by, BY)}")
    chosen = _chosen(ids, days)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in chosen:
        groups.setdefault(_key(row, by), []).append(row)
    off = typical_error()
    return {
        "rows": [{"key": key, **_summed(rows)} for key, rows in groups.items()],
        "total": _summed(chosen) if chosen else None,
        "idle": _idle(),
        "saved": saved(folder),
        "estimates": off and {"typical_error": off[0], "runs": off[1]},
    }


def rates(cost: Cost, metrics: Mapping[str, Any], progress: Mapping[str, Any] | None) -> Cost:
    """Return what a run has cost per unit of what came of it.

    Returns
    -------
    dict
        ``per_epoch``: of a Keras `fit`; ``per_point``: of each percent of its best accuracy, with
        ``metric``, its name; ``per_1000``: predictions, of what `lepton.predict` runs. Each is
        ``{"energy_wh", "money"}``, or None.
    """
    metric = _accuracy(metrics)
    predictions = metrics.get("samples") if metrics.keys() == {"samples"} else None
    amounts = {
        "per_epoch": (progress or {}).get("epoch"),
        "per_point": 100 * metrics[metric] if metric else None,
        "per_1000": predictions / 1000 if predictions else None,
    }
    return {**{name: _per(cost, amount) for name, amount in amounts.items()}, "metric": metric}


def _chosen(ids: Iterable[str], days: float | None) -> list[dict[str, Any]]:
    where = ["1"]
    arguments: list[float] = []
    wanted = list(ids)
    if wanted:
        from lepton_jlab.runs.lookup import run
        from lepton_jlab.runs.sweep import Sweep

        numbers: list[int] = []
        for found in map(run, wanted):
            members = found if isinstance(found, Sweep) else [found]
            numbers += [int(one.id[1:]) for one in members]
        where.append(f"r.id IN ({', '.join('?' * len(numbers))})")
        arguments += numbers
    if days is not None:
        where.append("s.submitted > ?")
        arguments.append(time.time() - 86_400 * days)
    return records.select(_QUERY.format(" AND ".join(where)), arguments)


def _key(row: Mapping[str, Any], by: str) -> str:
    if by == "day":
        return f"{datetime.fromtimestamp(row['submitted']):%Y-%m-%d}"
    return f"s{row['submission']}" if by == "sweep" and row["sweep"] else f"r{row['id']}"


def _summed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = {row["name"] for row in rows}
    cost = together(row["cost"] for row in rows)
    assert cost is not None
    metrics: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row["metrics"]):
        values = [row["metrics"][name] for row in rows if name in row["metrics"]]
        best = max if better(name) == "max" else min
        metrics[name] = sum(values) if name == "samples" else best(values)
    epochs = sum((row["progress"] or {}).get("epoch") or 0 for row in rows)
    now = time.time()
    return {
        "name": names.pop() if len(names) == 1 else None,
        "runs": len(rows),
        "seconds": sum((r["ended"] or now) - r["started"] for r in rows if r["started"]),
        **cost,
        **rates(cost, metrics, {"epoch": epochs}),
    }


def _accuracy(metrics: Mapping[str, Any]) -> str | None:
    """Return what tells how often a run is right: of validation data, if there is such a metric."""
    found = [
        name
        for name, value in metrics.items()
        if "acc" in name.lower() and is_score(name) and 0 < value <= 1
    ]
    return max(found, key=lambda name: name.startswith("val_"), default=None)


def _per(cost: Cost, amount: float | None) -> dict[str, float] | None:
    if not amount or not math.isfinite(amount):
        return None
    return {key: cost[key] / amount for key in ("energy_wh", "money")}


def _idle() -> list[dict[str, Any]]:
    devices, _ = look(2.0)
    if not devices:
        return []
    last: dict[str, float] = {}
    newest = None
    for row in records.select(_QUERY.format("r.started IS NOT NULL")):
        ended = row["ended"] or math.inf
        newest = ended if newest is None or ended > newest else newest
        for part in row["cost"]["parts"]:
            last[part] = max(last.get(part, 0.0), ended)
    return idle_gpus(devices, last, newest, current_prices())
