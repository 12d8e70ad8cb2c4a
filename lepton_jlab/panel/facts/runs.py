"""The newest runs, as the sidebar lists them; read again only when their record has changed."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from typing import Any

from lepton_jlab.config import data_folder
from lepton_jlab.runs.listing import listing
from lepton_jlab.runs.records import ACTIVE
from lepton_jlab.runs.views.drawing import listing_html, listing_text
from lepton_jlab.runs.views.page import RunDict

NONE = "No runs yet. Start one: %%lepton run"
_PICTURED = 20
_PATIENCE = 5.0  # s after which to look although the record's file has not changed


class Recent:
    """The newest runs, newest first.

    Parameters
    ----------
    cluster
        Only those of this cluster.
    """

    def __init__(self, cluster: str | None = None) -> None:
        self._cluster = cluster
        self._seen: tuple[Any, ...] = ()
        self._looked = 0.0
        self.limit = _PICTURED
        self.words = ""  # each has to occur in id, name, parameters or code
        self.states = ""  # such as "queued,running"; all of them
        self.rows: list[RunDict] = []
        self.total = 0
        self.counts: Mapping[str, int] = {}

    def read(self) -> None:
        """Read the records, unless nothing has changed."""
        asked = (self.limit, self.words, self.states, self._cluster)
        seen = (*asked, _mark("runs.sqlite"), _mark("runs.sqlite-wal"))
        if seen == self._seen and time.monotonic() - self._looked < _PATIENCE:
            return
        words = " ".join(filter(None, [self._cluster, self.words]))
        found = listing(self.limit, state=self.states or None, query=words or None)
        self.rows = [run for run in found["runs"] if self._cluster in (None, run["cluster"])]
        self.total, self.counts = found["total"], found["counts"]
        self._seen, self._looked = seen, time.monotonic()

    def summary(self) -> str:
        """Write how many runs there are: ``5 runs: 2 running, 3 done``."""
        many = sum(self.counts.values())
        states = ", ".join(f"{n:,} {state}" for state, n in self.counts.items() if n)
        return f"{many:,} run{'s' * (many != 1)}: {states}" if many else NONE

    def streaming(self) -> list[RunDict]:
        """Return those of the runs that read datasets now."""
        return [run for run in self.rows if run["state"] in ACTIVE and run["streams"]]

    def mark(self) -> Hashable:
        """Return the states of all runs."""
        return tuple((run["id"], run["state"]) for run in self.rows)

    def html(self) -> str:
        """Draw the newest runs."""
        return listing_html(self.rows[:_PICTURED])

    def text(self) -> str:
        """Write the newest runs."""
        return "\n".join([self.summary(), *[listing_text(self.rows[:_PICTURED])] * bool(self.rows)])

    def document(self) -> dict[str, Any]:
        """Return them with the numbers of runs by state."""
        return {"runs": self.rows, "counts": dict(self.counts)}


def _mark(name: str) -> tuple[int, int]:
    try:
        stat = (data_folder() / name).stat()
    except FileNotFoundError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size
