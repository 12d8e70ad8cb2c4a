"""Series of numbers over the same time axis, each no longer than a window."""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

_NAN = math.nan
_SERIES = 2000  # at most; the one that ended first goes first
_TRIM = 60  # ticks between two clearances


@dataclass(slots=True)
class _Series:
    """Numbers from tick `start` on; 8 bytes each."""

    start: int
    values: array[float] = field(default_factory=lambda: array("d"))

    @property
    def end(self) -> int:
        return self.start + len(self.values)


class Rings:
    """Keeps what is appended at each tick.

    Parameters
    ----------
    window : int
        Ticks that are kept.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._times: deque[float] = deque(maxlen=window)
        self._tick = 0
        self._series: dict[str, _Series] = {}

    def append(self, t: float, values: Mapping[str, float | None]) -> None:
        """Add a number to each series named; the others have a gap here."""
        self._times.append(t)
        for name, value in values.items():
            series = self._series.get(name)
            if series is None or self._tick - series.end >= self._window:
                series = self._series[name] = _Series(self._tick)
            gap = self._tick - series.end
            if gap:
                series.values.extend([_NAN] * gap)
            series.values.append(_NAN if value is None else value)
        self._tick += 1
        if self._tick % _TRIM == 0:
            self._trim()

    def read(self, count: int, points: int) -> tuple[list[float], dict[str, list[float | None]]]:
        """Return the times and the series of the last `count` ticks, about `points` of them.

        A gap is None; series that have no number in this time are left out.
        """
        count = min(count, len(self._times))
        stride = max(1, -(-count // max(1, points)))
        first = self._tick - count
        first += (self._tick - 1 - first) % stride  # the newest tick is always there
        offset = first - (self._tick - len(self._times))
        times = list(self._times)[offset::stride]
        found = {}
        for name, series in self._series.items():
            if series.end <= first:
                continue
            begin = max(0, -(-(series.start - first) // stride))  # in points
            part = series.values[first + begin * stride - series.start :: stride]
            numbers = [None if x != x else x for x in part]
            missing = len(times) - begin - len(numbers)
            found[name] = [*[None] * begin, *numbers, *[None] * missing]
        return times, {name: row for name, row in found.items() if any(x is not None for x in row)}

    def _trim(self) -> None:
        """Drop what is older than the window, with some slack, and series too many."""
        oldest = self._tick - self._window
        for name, series in list(self._series.items()):
            if series.end <= oldest:
                del self._series[name]
            elif series.start < oldest - self._window // 10:
                del series.values[: oldest - series.start]
                series.start = oldest
        extra = len(self._series) - _SERIES
        if extra > 0:
            for name in sorted(self._series, key=lambda one: self._series[one].end)[:extra]:
                del self._series[name]
