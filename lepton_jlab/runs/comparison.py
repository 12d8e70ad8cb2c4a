"""Puts runs side by side: their parameters, their metrics, which is best, and their courses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lepton_jlab.runs.lookup import run
from lepton_jlab.runs.metrics import best
from lepton_jlab.runs.run import Run
from lepton_jlab.runs.sweep import Sweep


def comparison(keys: Iterable[str], points: int = 500) -> dict[str, Any]:
    """Return the runs that `keys` name, as a panel compares them.

    Parameters
    ----------
    keys
        Ids or names of runs and sweeps.
    points
        Rows of each history at most.

    Returns
    -------
    dict
        ``runs`` (documents), ``params`` and ``metrics`` (names), ``best`` (run id by metric),
        ``histories`` (``{"columns", "rows"}`` by run id), ``searches`` (how those sweeps are
        searched, by id).
    """
    runs: dict[str, Run] = {}
    searches: dict[str, Any] = {}
    for key in keys:
        found = run(key)
        members: Sequence[Run] = found if isinstance(found, Sweep) else [found]
        if isinstance(found, Sweep) and (search := found.search) is not None:
            searches[found.id] = search
        runs |= {one.id: one for one in members}
    documents = [one.to_dict() for one in runs.values()]
    metrics = _names(documents, "metrics")
    chosen = {
        name: best({one["id"]: one["metrics"].get(name) for one in documents}, name)
        for name in metrics
    }
    return {
        "runs": documents,
        "params": _names(documents, "params"),
        "metrics": metrics,
        "best": {name: key for name, key in chosen.items() if key is not None},
        "searches": searches,
        "histories": {key: one.history_table(points) for key, one in runs.items()},
    }


def _names(documents: Iterable[dict[str, Any]], field: str) -> list[str]:
    return list(dict.fromkeys(name for one in documents for name in one[field]))
