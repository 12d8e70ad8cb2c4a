"""Find recorded runs: all of them, or one by its id or name."""

from __future__ import annotations

from lepton_jlab.errors import NotFoundError, suggestion
from lepton_jlab.runs import records
from lepton_jlab.runs.run import Run, runs_of
from lepton_jlab.runs.sweep import Sweep


def runs(limit: int | None = None) -> list[Run]:
    """Return the recorded runs, oldest first; with `limit` only the newest."""
    return [Run(row) for row in records.rows(limit=limit)]


def run(key: str) -> Run | Sweep:
    """Return the run ``"r17"``, the sweep ``"s3"``, or the newest that was named `key`.

    Raises
    ------
    NotFoundError
        When there is none.
    """
    kind, number = key[:1], key[1:]
    if kind == "r" and number.isdecimal() and (found := runs_of([int(number)])):
        return found[0]
    numbers = [int(number)] if kind == "s" and number.isdecimal() else []
    for candidate in [*numbers, *reversed(records.submission_numbers(key))]:
        members = [Run(row) for row in records.rows("r.submission = ?", [candidate])]
        if members:
            sweep = members[0].sweep is not None
            return Sweep(candidate, members[0].name, members) if sweep else members[0]
    known = [*records.names(), *records.recent_keys(20)]
    raise NotFoundError(
        f"No run named {key!r}.{suggestion(key, known)} See them: %lepton runs list"
    )
