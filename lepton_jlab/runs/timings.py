"""How long runs take at each place, by what the same code took before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lepton_jlab.runs import records

_NEW = 0.5  # weight of the newest run against those before
_LOOKED_AT = 50  # earlier runs of a code
_GUESS = 1.0  # seconds for code that has never run

_QUERY = f"""
SELECT r.params, r.phases, r.placement FROM runs r JOIN submissions s ON s.id = r.submission
WHERE s.digest = ? AND r.state = 'done' ORDER BY r.id DESC LIMIT {_LOOKED_AT}
"""  # noqa: S608 (our own number)


class Timings:
    """Seconds of computation by code, parameters and place, scaled where a place has none."""

    def __init__(self) -> None:
        # By code and parameters (None: whatever they were), by place.
        self._seconds: dict[tuple[str, str | None], dict[str, float]] = {}
        self._speeds: dict[tuple[str, str], float] = {}
        self._asked: set[str] = set()

    def note(self, code: str, params: Mapping[str, Any], place: str, seconds: float) -> None:
        """Note how long a run took to compute (s), without what it waited for bytes."""
        for values in (_written(params), None):
            known = self._seconds.setdefault((code, values), {})
            known[place] = _NEW * seconds + (1 - _NEW) * known.get(place, seconds)
            for other, there in known.items():
                if other != place and there > 0:
                    self._compare(place, other, known[place] / there)

    def seconds(
        self, code: str, params: Mapping[str, Any] | None, place: str
    ) -> tuple[float, bool]:
        """Return how long a run will compute (s), and whether any run of that code says so."""
        self._recall(code)
        written = None if params is None else _written(params)
        for values in dict.fromkeys((written, None)):
            known = self._seconds.get((code, values), {})
            if place in known:
                return known[place], True
            for there, seconds in known.items():
                return seconds * self._speeds.get((place, there), 1.0), True
        return _GUESS, False

    def _compare(self, place: str, other: str, ratio: float) -> None:
        before = self._speeds.get((place, other), ratio)
        self._speeds[place, other] = mean = _NEW * ratio + (1 - _NEW) * before
        self._speeds[other, place] = 1 / max(mean, 1e-9)

    def _recall(self, code: str) -> None:
        """Learn from the records, the first time that a code is asked for."""
        if code in self._asked:
            return
        self._asked.add(code)
        for row in reversed(records.select(_QUERY, (code,))):
            placement = row["placement"]
            if placement and "compute" in placement.get("actual", {}):
                actual = placement["actual"]["compute"]
                self.note(code, row["params"], placement["label"], actual)
            elif row["phases"]:
                taken = sum(row["phases"].get(name, 0.0) for name in ("start", "run", "gather"))
                self.note(code, row["params"], "", taken)


def _written(params: Mapping[str, Any]) -> str:
    return json.dumps(dict(params), sort_keys=True)
