"""The newest runs and the courses of what they log, read again only where something changed."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from lepton_jlab.config import data_folder
from lepton_jlab.runs import records
from lepton_jlab.runs.lookup import runs
from lepton_jlab.runs.metrics import leading
from lepton_jlab.runs.run import Run
from lepton_jlab.runs.views.drawing import listing_html, listing_text, summary
from lepton_jlab.runs.views.page import Rows, RunDict, points

KEPT = 200  # runs that a panel looks through; `%lepton runs list --json` has them all
_DRAWN = 20  # of a picture without widgets
_PATIENCE = 5.0  # s after which to look although the record's file has not changed


class Recent:
    """The newest runs, newest first, and their histories.

    Parameters
    ----------
    cluster
        Only those of this cluster.
    """

    def __init__(self, cluster: str | None = None) -> None:
        self._cluster = cluster
        self._runs: dict[str, Run] = {}
        self._seen: tuple[Any, ...] = ()
        self._looked = 0.0
        self._histories: dict[str, tuple[int, Rows]] = {}
        self.rows: list[RunDict] = []  # as `Run.to_dict` gives them

    def read(self) -> None:
        """Read the records, unless their file is as it was."""
        seen = tuple(map(_mark, ("runs.sqlite", "runs.sqlite-wal")))
        if seen == self._seen and time.monotonic() - self._looked < _PATIENCE:
            return
        found = [run for run in runs(KEPT) if self._cluster in (None, run.cluster)]
        self._runs = {run.id: run for run in reversed(found)}
        self.rows = [run.to_dict() for run in self._runs.values()]
        self._seen, self._looked = seen, time.monotonic()
        for gone in self._histories.keys() - self._runs.keys():
            del self._histories[gone]

    def run(self, key: str) -> Run:
        """Return one of the runs in `rows`."""
        return self._runs[key]

    def history(self, key: str) -> Rows:
        """Return what a run has logged, one mapping a step."""
        path = records.folder(int(key[1:])) / "metrics.jsonl"
        size = path.stat().st_size if path.exists() else 0
        known = self._histories.get(key)
        if known is None or known[0] != size:
            known = self._histories[key] = (size, self._runs[key].history_rows() if size else [])
        return known[1]

    def course(self, run: RunDict) -> tuple[str, list[float]]:
        """Return a run's leading metric and its values."""
        metric = leading(list(run.get("metrics") or ())) or ""
        return metric, [y for _, y in points(self.history(run["id"]), metric)] if metric else []

    def mark(self) -> Hashable:
        """Return the states of all runs."""
        return tuple((run["id"], run["state"]) for run in self.rows[:_DRAWN])

    def html(self) -> str:
        """Draw the newest runs."""
        return listing_html(self.rows[:_DRAWN])

    def text(self) -> str:
        """Write the newest runs."""
        listed = listing_text(self.rows[:_DRAWN])
        return f"{summary(self.rows)}\n{listed}" if self.rows else listed

    def document(self) -> list[RunDict]:
        """Return the records."""
        return self.rows


def matching(rows: Sequence[RunDict], words: str, shown: str) -> list[RunDict]:
    """Choose the runs in whose id, name, state or parameters each of `words` occurs.

    `shown` is ``all``, ``active`` (queued and running) or a state.
    """
    states = records.ACTIVE if shown == "active" else (shown,)
    asked = words.lower().split()
    return [
        run
        for run in rows
        if (shown == "all" or run["state"] in states) and all(w in _words(run) for w in asked)
    ]


def _words(run: RunDict) -> str:
    params = " ".join(f"{key}={value}" for key, value in (run.get("params") or {}).items())
    known = (run["id"], run.get("name"), run.get("sweep"), run["state"], run["cluster"], params)
    return " ".join(str(part) for part in known if part).lower()


def _mark(name: str) -> tuple[int, int]:
    try:
        stat = Path(data_folder() / name).stat()
    except FileNotFoundError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size
