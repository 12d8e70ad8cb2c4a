"""Lists runs in pages, newest first, by one query: for panels that show many of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lepton_jlab.errors import UsageError
from lepton_jlab.runs import records

STATES = ("queued", "running", "done", "failed", "cancelled", "lost")

_QUERY = """
SELECT r.id, r.submission, r.params, r.state, r.attempt, r.metrics, r.progress, r.value_files,
       r.phases, r.error, r.worker, r.devices, r.streams, r.started, r.ended, r.spark,
       r.cost, r.estimate, r.trial, r.replicas, r.checkpoint,
       s.name, s.sweep, s.cluster, s.submitted, s.notebook, s.cell
FROM runs r JOIN submissions s ON s.id = r.submission
"""
# All places in one pass: counted for each row of a page, 100,000 that wait took 0.8 s.
_PLACES = """
WITH line AS (
    SELECT q.id, row_number() OVER (PARTITION BY t.host_pid ORDER BY q.id) AS place
    FROM runs q JOIN submissions t ON t.id = q.submission WHERE q.state = 'queued'
) SELECT id, place FROM line WHERE id IN
"""
_SAME = (
    *("state", "params", "metrics", "phases", "streams", "error", "cluster", "worker", "devices"),
    *("submitted", "started", "ended", "progress", "place", "attempt", "notebook", "cell"),
    *("cost", "estimate", "checkpoint"),
)


def listing(
    limit: int = 50,
    before: str | None = None,
    state: str | None = None,
    query: str | None = None,
    sweep: str | None = None,
) -> dict[str, Any]:
    """Return a page of runs, newest first.

    Parameters
    ----------
    limit
        How many at most.
    before
        Only runs older than this one, ``"r17"``: the last of the page before.
    state
        Only those in this state, or in these, with commas between them.
    query
        Only those in whose id, name, cluster, notebook, parameters or code each of these words is.
    sweep
        Only those of this sweep, ``"s3"``.

    Returns
    -------
    dict
        ``runs`` (as `summaries`), ``total`` (how many there are besides `limit` and `before`), and
        ``counts`` of all runs by state.
    """
    where, arguments = _conditions(state, query, sweep)
    records.settle_dead_hosts()
    total = records.select(
        f"SELECT count(*) AS n FROM runs r JOIN submissions s ON s.id = r.submission WHERE {where}",  # noqa: S608
        arguments,
    )[0]["n"]
    if before is not None:
        where, arguments = f"{where} AND r.id < ?", [*arguments, _number(before, "r")]
    rows = records.select(
        f"{_QUERY} WHERE {where} ORDER BY r.id DESC LIMIT ?", [*arguments, max(0, limit)]
    )
    return {"runs": _summaries(rows), "total": total, "counts": counts()}


def summaries(ids: Iterable[str]) -> list[dict[str, Any]]:
    """Return runs by id, newest first: their documents without code, with a sparkline."""
    numbers = [_number(one, "r") for one in ids]
    marks = ", ".join("?" * len(numbers))
    rows = records.select(f"{_QUERY} WHERE r.id IN ({marks}) ORDER BY r.id DESC", numbers)
    return _summaries(rows)


def active() -> list[str]:
    """Return the ids of the runs that have not ended."""
    rows = records.select("SELECT id FROM runs WHERE state IN ('queued', 'running') ORDER BY id")
    return [f"r{row['id']}" for row in rows]


def counts() -> dict[str, int]:
    """Return how many runs there are in each state."""
    rows = records.select("SELECT state, count(*) AS n FROM runs GROUP BY state")
    found = {row["state"]: row["n"] for row in rows}
    return {state: found.get(state, 0) for state in STATES}


def _conditions(
    state: str | None, query: str | None, sweep: str | None
) -> tuple[str, Sequence[Any]]:
    parts: list[str] = ["1"]
    arguments: list[Any] = []
    if state:
        states = state.split(",")
        for one in states:
            if one not in STATES:
                raise UsageError(f"No state {one!r}. There are: {', '.join(STATES)}.")
        parts.append(f"r.state IN ({', '.join('?' * len(states))})")
        arguments += states
    if sweep:
        parts.append("s.sweep AND s.id = ?")
        arguments.append(_number(sweep, "s"))
    for word in (query or "").split():
        parts.append(
            "('r' || r.id || ' s' || s.id || ' ' || coalesce(s.name, '') || ' ' || s.cluster || ' '"
            " || coalesce(s.notebook, '') || ' ' || r.params || ' ' || s.code) LIKE ? ESCAPE '\\'"
        )
        arguments.append(f"%{_literal(word)}%")
    return " AND ".join(parts), arguments


def _literal(word: str) -> str:
    for special in ("\\", "%", "_"):
        word = word.replace(special, f"\\{special}")
    return word


def _number(key: str, kind: str) -> int:
    number = key[1:]
    if key[:1] != kind or not (number.isascii() and number.isdecimal() and len(number) < 16):
        what = "run" if kind == "r" else "sweep"
        raise UsageError(f"{key!r} is not the id of a {what}, such as {kind}17.")
    return int(number)


def _summaries(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    waiting = [row["id"] for row in rows if row["state"] == "queued"]
    places: dict[int, int] = {}
    if waiting:
        marks = ", ".join("?" * len(waiting))
        found = records.select(f"{_PLACES} ({marks})", waiting)
        places = {row["id"]: row["place"] for row in found}
    return [_summary({**row, "place": places.get(row["id"])}) for row in rows]


def _summary(row: dict[str, Any]) -> dict[str, Any]:
    spark = row["spark"] or {}
    return {
        "id": f"r{row['id']}",
        "name": row["name"],
        "sweep": f"s{row['submission']}" if row["sweep"] else None,
        "values": list(row["value_files"]),
        **{key: row[key] for key in _SAME},
        "replicas": records.ranks_of(row),
        "trial": records.trial_of(row),
        "pruned": records.pruned_at(row),
        "spark": spark.get("values", []),
        "spark_metric": spark.get("metric"),
    }
