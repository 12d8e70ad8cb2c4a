"""The course of a run's metrics: read as it grows, thinned for drawing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lepton_jlab.runs.metrics import is_score, leading

Row = dict[str, float]

_SPARKS = 30  # points of a sparkline at most
_METRICS = 16  # metrics of a run for which one is kept


class HistoryReader:
    """Reads the rows that a run has logged since the last look.

    Parameters
    ----------
    folder : Path
        The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "metrics.jsonl"
        self.offset = 0  # bytes that were read

    def new(self, until: int | None = None) -> list[Row]:
        """Return what was logged since the last call, up to an offset in the file."""
        try:
            with self._path.open("rb") as file:
                file.seek(self.offset)
                block = file.read(-1 if until is None else until - self.offset)
        except FileNotFoundError:
            return []
        whole = block[: block.rfind(b"\n") + 1]
        self.offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def by_step(rows: Iterable[Mapping[str, float]]) -> list[Row]:
    """Join the rows of each step."""
    steps: dict[float, Row] = {}
    for row in rows:
        steps.setdefault(row["step"], {}).update(row)
    return list(steps.values())


def table(rows: Sequence[Mapping[str, float]], limit: int | None = None) -> dict[str, list[Any]]:
    """Return rows as ``{"columns", "rows"}``, thinned evenly; the first and the last are kept.

    >>> table([{"step": 1, "loss": 0.5}, {"step": 2, "acc": 0.8}])
    {'columns': ['step', 'loss', 'acc'], 'rows': [[1, 0.5, None], [2, None, 0.8]]}
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    chosen = rows
    if limit is not None and len(rows) > max(2, limit):
        last, points = len(rows) - 1, max(2, limit)
        chosen = [rows[round(i * last / (points - 1))] for i in range(points)]
    return {"columns": columns, "rows": [[row.get(name) for name in columns] for row in chosen]}


class Sparklines:
    """Keeps a few points of each metric of a live run, evenly spread over its course."""

    def __init__(self) -> None:
        self._courses: dict[str, _Course] = {}

    def add(self, values: Mapping[str, float]) -> None:
        """Take the values that were logged at one step."""
        for name, value in values.items():
            if name not in self._courses and len(self._courses) >= _METRICS:
                continue
            self._courses.setdefault(name, _Course()).add(value)

    def leading(self) -> dict[str, Any] | None:
        """Return ``{"metric", "values"}`` of the metric that speaks for the run; None before it."""
        metric = leading(name for name in self._courses if is_score(name))
        if metric is None:
            return None
        return {"metric": metric, "values": self._courses[metric].read()}


class _Course:
    """Every n-th value; n doubles when there are too many."""

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._stride = 1
        self._count = 0
        self._last = 0.0

    def add(self, value: float) -> None:
        if self._count % self._stride == 0:
            if len(self._kept) == _SPARKS - 1:  # room for the last one
                self._kept = self._kept[::2]
                self._stride *= 2
            if self._count % self._stride == 0:
                self._kept.append(value)
        self._last = value
        self._count += 1

    def read(self) -> list[float]:
        """Return the kept values, the newest one last."""
        newest = (self._count - 1) % self._stride == 0
        return self._kept if newest else [*self._kept, self._last]
