"""How often datasets are read, how important they are, and where they shall be: one SQLite file.

All processes of a user share it. Counting is one upsert at the end of an epoch, 0.1 ms.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lepton_jlab.config import data_folder
from lepton_jlab.data.tiers.places import identity
from lepton_jlab.data.tiers.policy import AUTO
from lepton_jlab.data.tiers.prices import load_tiers
from lepton_jlab.data.tiers.score import IMPORTANCE, decayed, score
from lepton_jlab.errors import DataError, LeptonError

_PATIENCE = 1.0  # seconds that counting waits for another process that writes

_SCHEMA = """
CREATE TABLE IF NOT EXISTS datasets (
    path TEXT PRIMARY KEY, count REAL NOT NULL DEFAULT 0, at REAL NOT NULL DEFAULT 0,
    first REAL, total REAL NOT NULL DEFAULT 0, importance INTEGER, policy TEXT
);
CREATE TABLE IF NOT EXISTS sizes (
    path TEXT NOT NULL, codec TEXT NOT NULL, state TEXT NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (path, codec)
);
CREATE TABLE IF NOT EXISTS copies (
    path TEXT PRIMARY KEY, count REAL NOT NULL DEFAULT 0, at REAL NOT NULL DEFAULT 0
);
"""
# The decay happens within the statement, so that processes that count at once lose nothing.
_COUNT = """
INSERT INTO datasets (path, count, at, first, total) VALUES (:path, :share, :now, :now, :share)
ON CONFLICT (path) DO UPDATE SET
    count = decayed(count, excluded.at - at, :half_life) + excluded.count,
    at = max(at, excluded.at), first = coalesce(first, excluded.first),
    total = total + excluded.total
"""
_COUNT_COPIES = """
INSERT INTO copies (path, count, at) VALUES (:path, :share, :now)
ON CONFLICT (path) DO UPDATE SET
    count = decayed(count, excluded.at - at, :half_life) + excluded.count, at = max(at, excluded.at)
"""
_threads = threading.local()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a dataset.

    Attributes
    ----------
    path
        Its absolute path or URL.
    count
        Accesses, decayed to now; one is the whole dataset read once.
    total
        Accesses since it is known.
    last
        When it was read last, in seconds since 1970; 0 if never.
    known_for
        Seconds since it was read for the first time.
    importance
        From 0 to 5.
    policy
        ``"auto"``, or the tier where it shall be.
    """

    path: str
    count: float = 0.0
    total: float = 0.0
    last: float = 0.0
    known_for: float = 0.0
    importance: int = IMPORTANCE
    policy: str = AUTO

    @property
    def score(self) -> float:
        """Decayed count times importance."""
        return score(self.count, self.importance)


def note(path: str, share: float = 1.0, copied: float = 0.0, now: float | None = None) -> None:
    """Count that a dataset was read; never fails, for nobody's training shall.

    Parameters
    ----------
    path
        Its path or URL; of one inside another dataset, the outer one is counted.
    share
        How much of it was read from where it is kept: 1 is all of it once. Ranks count their
        shares.
    copied
        How much came from copies on the hot disk, which is counted apart.
    now
        Seconds since 1970; by default the clock's.
    """
    if share <= 0 and copied <= 0:
        return
    with contextlib.suppress(sqlite3.Error, OSError, LeptonError), _database() as database:
        about = {
            "path": identity(path),
            "now": time.time() if now is None else now,
            "half_life": load_tiers().half_life,
        }
        database.execute(_COUNT, {**about, "share": max(share, 0.0)})
        if copied > 0:
            database.execute(_COUNT_COPIES, {**about, "share": copied})


def from_copies(now: float | None = None) -> dict[str, float]:
    """Return by path how often datasets were read from copies, decayed to now."""
    moment, half_life = time.time() if now is None else now, load_tiers().half_life
    with _reading() as database:
        rows = database.execute("SELECT * FROM copies").fetchall()
    return {row["path"]: decayed(row["count"], moment - row["at"], half_life) for row in rows}


def known(path: str, now: float | None = None) -> Known:
    """Return what is known of one dataset."""
    own = identity(path)
    with _reading() as database:
        row = database.execute("SELECT * FROM datasets WHERE path = ?", (own,)).fetchone()
    return Known(own) if row is None else _known(row, now)


def all_known(now: float | None = None) -> list[Known]:
    """Return what is known of all datasets, the highest score first."""
    with _reading() as database:
        rows = database.execute("SELECT * FROM datasets").fetchall()
    return sorted((_known(row, now) for row in rows), key=lambda one: (-one.score, one.path))


def importance_of(path: str) -> int:
    """Return the importance of a dataset; that of any other where the records cannot be read."""
    try:
        return known(path).importance
    except LeptonError:
        return IMPORTANCE


def keep(path: str, *, importance: int | None = None, policy: str | None = None) -> None:
    """Record how important a dataset is, or where it shall be; what is None stays as it is."""
    values = {"path": identity(path), "importance": importance, "policy": policy}
    with _reading() as database:
        database.execute(
            "INSERT INTO datasets (path, importance, policy) VALUES (:path, :importance, :policy) "
            "ON CONFLICT (path) DO UPDATE SET importance = coalesce(:importance, importance), "
            "policy = coalesce(:policy, policy)",
            values,
        )


def estimated(path: str, codec: str, state: str) -> int | None:
    """Return the size found by `estimate` for a dataset that is still in that state."""
    query = "SELECT bytes FROM sizes WHERE path = ? AND codec = ? AND state = ?"
    with _reading() as database:
        row = database.execute(query, (path, codec, state)).fetchone()
    return None if row is None else int(row["bytes"])


def estimate(path: str, codec: str, state: str, size: int) -> None:
    """Remember how large a dataset would be with a codec."""
    with _reading() as database:
        database.execute("REPLACE INTO sizes VALUES (?, ?, ?, ?)", (path, codec, state, size))


def _known(row: Any, now: float | None) -> Known:
    moment = time.time() if now is None else now
    return Known(
        row["path"],
        decayed(row["count"], moment - row["at"], load_tiers().half_life),
        row["total"],
        row["at"],
        0.0 if row["first"] is None else moment - row["first"],
        IMPORTANCE if row["importance"] is None else row["importance"],
        row["policy"] or AUTO,
    )


@contextlib.contextmanager
def _reading() -> Iterator[sqlite3.Connection]:
    """Give the file to commands, which say what is wrong with it."""
    try:
        with _database() as database:
            yield database
    except (sqlite3.Error, OSError) as error:
        raise DataError(
            f"{data_folder() / 'datasets.sqlite'} cannot be used: {error}. It counts accesses and "
            "holds importances; if it is broken, remove it."
        ) from error


def _database() -> sqlite3.Connection:
    """Return this thread's connection to the file of the current data folder."""
    path, process = data_folder() / "datasets.sqlite", os.getpid()
    if getattr(_threads, "of", None) != (path, process):  # a fork must not use its parent's
        database = sqlite3.connect(path, timeout=_PATIENCE)
        database.row_factory = sqlite3.Row
        database.create_function("decayed", 3, decayed, deterministic=True)
        # WAL: readers do not wait for writers; NORMAL: no waiting for the disk at each count.
        database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)
        path.chmod(0o600)
        _threads.of, _threads.database = (path, process), database
    connection: sqlite3.Connection = _threads.database
    return connection
