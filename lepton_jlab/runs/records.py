"""The record of all runs: one SQLite file and a folder per run in the Jupyter data directory.

Hosts write, everybody reads: kernels, terminals and servers learn of runs here, so there is one
truth that outlives them all.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lepton_jlab.cluster.connection import process_lives
from lepton_jlab.config import data_folder, private_folder

ACTIVE = ("queued", "running")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS submissions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT, sweep INTEGER NOT NULL, code TEXT NOT NULL, options TEXT NOT NULL,
    brought TEXT NOT NULL, cluster TEXT NOT NULL, host_pid INTEGER NOT NULL,
    host_created REAL NOT NULL, submitted REAL NOT NULL, notebook TEXT, cell TEXT
);
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    submission INTEGER NOT NULL REFERENCES submissions(id),
    params TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued', attempt INTEGER NOT NULL DEFAULT 1,
    metrics TEXT NOT NULL DEFAULT '{}', progress TEXT, value_files TEXT NOT NULL DEFAULT '{}',
    phases TEXT NOT NULL DEFAULT '{}', error TEXT, worker TEXT, devices TEXT NOT NULL DEFAULT '[]',
    environment TEXT, started REAL, ended REAL, streams TEXT NOT NULL DEFAULT '[]', spark TEXT,
    trial TEXT
);
CREATE INDEX IF NOT EXISTS runs_of_submission ON runs(submission);
CREATE INDEX IF NOT EXISTS active_runs ON runs(state) WHERE state IN ('queued', 'running');
"""
_SELECT = """
SELECT r.*, s.name, s.sweep, s.code, s.options, s.brought, s.cluster, s.submitted,
       s.host_pid, s.host_created, s.notebook, s.cell
FROM runs r JOIN submissions s ON s.id = r.submission
"""
_JSON = {"params", "metrics", "progress", "value_files", "phases", "error", "devices", "streams"}
_JSON |= {"environment", "options", "brought", "spark", "cost", "estimate", "placement"}
_JSON |= {"replicas", "checkpoint", "trial"}
_ACTIVE = ("starting", "running", "waiting")
_LATER = (  # columns that came after the first version, and their tables
    ("runs", "streams", "TEXT NOT NULL DEFAULT '[]'"),
    ("runs", "spark", "TEXT"),
    ("runs", "cost", "TEXT"),
    ("runs", "estimate", "TEXT"),
    ("runs", "placement", "TEXT"),
    ("runs", "replicas", "TEXT"),
    ("runs", "checkpoint", "TEXT"),
    ("runs", "trial", "TEXT"),
    ("submissions", "digest", "TEXT"),
    ("submissions", "notebook", "TEXT"),
    ("submissions", "cell", "TEXT"),
)
_threads = threading.local()


def add(
    submission: Mapping[str, Any],
    params: Sequence[Mapping[str, Any]],
    estimates: Sequence[Mapping[str, Any] | None] | None = None,
) -> tuple[int, list[int]]:
    """Record a submission and its queued runs in one transaction; return their numbers."""
    with _database() as database:
        columns = _encode({**submission, "submitted": time.time()})
        cursor = database.execute(_insert("submissions", columns), tuple(columns.values()))
        number = cursor.lastrowid
        assert number is not None
        return number, _add_runs(database, number, params, estimates)


def extend(number: int, params: Sequence[Mapping[str, Any]], trial: Mapping[str, Any]) -> list[int]:
    """Record more queued runs of a submission, those of one trial of its search."""
    with _database() as database:
        return _add_runs(database, number, params, trial=trial)


def update(changes: Mapping[int, Mapping[str, Any]]) -> None:
    """Change columns of runs, by number, in one transaction."""
    with _database() as database:
        for number, fields in changes.items():
            columns = _encode(fields)
            assigned = ", ".join(f"{name} = ?" for name in columns)
            database.execute(
                f"UPDATE runs SET {assigned} WHERE id = ?",  # noqa: S608 (our own column names)
                (*columns.values(), number),
            )


def change_submission(number: int, fields: Mapping[str, Any]) -> None:
    """Change columns of a submission."""
    columns = _encode(fields)
    assigned = ", ".join(f"{name} = ?" for name in columns)
    with _database() as database:
        database.execute(
            f"UPDATE submissions SET {assigned} WHERE id = ?",  # noqa: S608 (our own column names)
            (*columns.values(), number),
        )


def rows(where: str = "1", arguments: Sequence[Any] = (), limit: int | None = None) -> list[Any]:
    """Return run records (dicts by column), oldest first; active runs of dead hosts become lost."""
    settle_dead_hosts()
    query = f"{_SELECT} WHERE {where} ORDER BY r.id DESC LIMIT ?"
    found = select(query, (*arguments, -1 if limit is None else limit))
    found.reverse()
    return found


def select(query: str, arguments: Sequence[Any] = ()) -> list[Any]:
    """Return what a query finds, as dicts by column."""
    return [_decode(row) for row in _database().execute(query, arguments)]


def settle_dead_hosts() -> None:
    """Record as lost what hosts that have died had not ended."""
    query = """SELECT DISTINCT s.host_pid, s.host_created FROM runs r
               JOIN submissions s ON s.id = r.submission WHERE r.state IN ('queued', 'running')"""
    for host in _database().execute(query).fetchall():
        if not process_lives(*host):
            _settle_lost(*host)


def submission_numbers(name: str) -> list[int]:
    """Return the submissions that were given `name`, oldest first."""
    query = "SELECT id FROM submissions WHERE name = ? ORDER BY id"
    return [row["id"] for row in _database().execute(query, (name,))]


def submission(number: int) -> dict[str, Any] | None:
    """Return what was submitted as `number`, or None."""
    query = "SELECT * FROM submissions WHERE id = ?"
    row = _database().execute(query, (number,)).fetchone()
    return None if row is None else _decode(row)


def trial_of(record: Mapping[str, Any]) -> int | None:
    """Return the number of the trial that a run belongs to; None outside of a search."""
    return None if record["trial"] is None else int(record["trial"]["number"])


def pruned_at(record: Mapping[str, Any]) -> int | None:
    """Return the step at which a search ended a run early; None for one that was let be."""
    pruned = (record["trial"] or {}).get("pruned")
    return None if pruned is None else int(pruned)


def ranks_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return where the replicas of a run are; those of a dead host could not tell their end."""
    ranks: list[dict[str, Any]] = record["replicas"] or []
    if record["state"] != "lost":
        return ranks
    return [
        {**rank, "state": "lost" if rank["state"] in _ACTIVE else rank["state"]} for rank in ranks
    ]


def trials_of(number: int) -> int:
    """Return how many different trials of its search a submission has runs of.

    One that came again, since its host had died, counts once.
    """
    query = """SELECT count(DISTINCT coalesce(json_extract(trial, '$.again'),
                                              json_extract(trial, '$.number'))) AS n
               FROM runs WHERE submission = ?"""
    return int(_database().execute(query, (number,)).fetchone()["n"])


def place(number: int, cluster_pid: int) -> int:
    """Return the place of a queued run among those of its host, 1 for the next."""
    query = """SELECT count(*) AS n FROM runs r JOIN submissions s ON s.id = r.submission
               WHERE r.state = 'queued' AND s.host_pid = ? AND r.id <= ?"""
    return int(_database().execute(query, (cluster_pid, number)).fetchone()["n"])


def folder(number: int) -> Path:
    """Return the folder of a run: code, output, metrics, values, TensorBoard events."""
    return private_folder(data_folder() / "runs" / f"r{number}")


def payload_folder() -> Path:
    """Return the folder of what was brought along, each file named by its content's digest."""
    return private_folder(data_folder() / "payloads")


def prune_payloads(age: float = 7 * 86400) -> None:
    """Remove payloads that no run has needed for `age` seconds."""
    used: set[str] = set()
    for row in rows("r.state IN ('queued', 'running')"):
        used.update(row["options"]["payloads"])
    for path in payload_folder().iterdir():
        if path.name not in used and time.time() - path.stat().st_mtime > age:
            path.unlink(missing_ok=True)


def recent_keys(limit: int) -> list[str]:
    """Return ids and names a user may mean, newest first, for completion."""
    query = "SELECT id, submission FROM runs ORDER BY id DESC LIMIT ?"
    found = _database().execute(query, (limit,)).fetchall()
    keys = [f"r{row['id']}" for row in found]
    numbers = sorted({row["submission"] for row in found}, reverse=True)
    for number in numbers:
        described = submission(number)
        if described is not None:
            keys += [f"s{number}"] * described["sweep"] + [described["name"]] * bool(
                described["name"]
            )
    return list(dict.fromkeys(keys))


def names() -> list[str]:
    """Return all names given to submissions."""
    query = "SELECT DISTINCT name FROM submissions WHERE name IS NOT NULL"
    return [row["name"] for row in _database().execute(query)]


def _add_runs(
    database: sqlite3.Connection,
    submission: int,
    params: Sequence[Mapping[str, Any]],
    estimates: Sequence[Mapping[str, Any] | None] | None = None,
    trial: Mapping[str, Any] | None = None,
) -> list[int]:
    ids = []
    for values, estimate in zip(params, estimates or [None] * len(params), strict=True):
        about = {"params": dict(values), "estimate": estimate, "trial": trial}
        row = _encode({"submission": submission, **about})
        last = database.execute(_insert("runs", row), tuple(row.values())).lastrowid
        assert last is not None
        ids.append(last)
    return ids


def _settle_lost(pid: int, created: float) -> None:
    """Record that what a dead host had not ended is lost."""
    message = f"The cluster host (process {pid}) died before the run ended."
    error = json.dumps({"kind": "worker-lost", "message": message})
    with _database() as database:
        database.execute(
            """UPDATE runs SET state = 'lost', ended = ?, error = ?
               WHERE state IN ('queued', 'running') AND submission IN
               (SELECT id FROM submissions WHERE host_pid = ? AND host_created = ?)""",
            (time.time(), error, pid, created),
        )


def _database() -> sqlite3.Connection:
    """Return this thread's connection to the file of the current data directory."""
    path = data_folder() / "runs.sqlite"
    if getattr(_threads, "path", None) != path:
        database = sqlite3.connect(path, timeout=10)
        database.row_factory = sqlite3.Row
        # WAL: readers never wait for the host; NORMAL loses nothing when a process is killed.
        database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)
        _add_missing(database)
        path.chmod(0o600)
        _threads.path, _threads.database = path, database
    connection: sqlite3.Connection = _threads.database
    return connection


def _add_missing(database: sqlite3.Connection) -> None:
    """Give a file of an earlier version the columns that came later."""
    for table, column, kind in _LATER:
        known = {row["name"] for row in database.execute(f"PRAGMA table_info({table})")}
        if column not in known:
            with contextlib.suppress(sqlite3.OperationalError):  # another process was quicker
                database.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def _insert(table: str, columns: Iterable[str]) -> str:
    names = list(columns)
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608


def _encode(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value) if name in _JSON and value is not None else value
        for name, value in fields.items()
    }


def _decode(row: sqlite3.Row) -> dict[str, Any]:
    return {
        name: json.loads(row[name]) if name in _JSON and row[name] is not None else row[name]
        for name in row.keys()  # noqa: SIM118 (a Row iterates over values)
    }
