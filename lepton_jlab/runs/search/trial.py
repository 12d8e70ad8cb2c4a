"""One trial: the values that were chosen, the runs that try them, and what they report."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

from lepton_jlab.runs.journal import Entry


@dataclass(slots=True, eq=False)
class Trial:
    """A trial that goes on.

    Attributes
    ----------
    about
        What the record says of it: Optuna's ``number``.
    live
        Its runs that have not ended: one, or as many as ``--repeat`` says.
    pruned
        The step at which it was ended early.
    """

    about: dict[str, Any]
    live: list[Entry]
    pruned: float | None = None
    _courses: dict[int, _Course] = field(default_factory=dict)
    _values: list[float] = field(default_factory=list)
    _told: int = 0
    _at_end: bool = False

    @property
    def number(self) -> int:
        """Optuna's number of it."""
        number: int = self.about["number"]
        return number

    def progress(self, event: dict[str, Any]) -> None:
        """Take how far one of its runs has come."""
        self._at_end = bool(event["epochs"]) and event["epoch"] == event["epochs"]

    def heard(self, entry: Entry, step: float, value: float) -> Report | None:
        """Take a metric of one of its runs.

        Returns
        -------
        Report or None
            What the trial has come to, once every run of it has reported that often.
        """
        course = self._courses.get(entry.number)
        if course is None or course.attempt != entry.attempt:
            course = self._courses[entry.number] = _Course(entry.attempt)
        course.values.append(value)
        course.step = step
        known = [self._courses.get(one.number) for one in self.live]
        counts = [len(one.values) if one is not None else 0 for one in known]
        count = min(counts, default=0)
        if count <= self._told:
            return None
        self._told = count
        mean = statistics.fmean(one.values[count - 1] for one in known if one is not None)
        return Report(count, mean, step)

    def may_be_pruned(self) -> bool:
        """Tell whether there is something to save by ending it: not in the last epoch."""
        return self.pruned is None and bool(self.live) and not self._at_end

    def ended(self, entry: Entry, value: float | None) -> None:
        """Take the end of one of its runs, and what it came to; None if to nothing."""
        self.live.remove(entry)
        if value is not None:
            self._values.append(value)

    def value(self) -> float | None:
        """Return what its runs came to in the mean; None if none came to anything."""
        return statistics.fmean(self._values) if self._values else None

    def went_on(self, entry: Entry) -> bool:
        """Tell whether a run has gone on to the end although it should have been ended early."""
        course = self._courses.get(entry.number)
        return entry.state == "done" and course is not None and course.step != self.pruned


@dataclass(frozen=True, slots=True)
class Report:
    """What a trial had come to after `count` reports; `step` is the step as the run calls it."""

    count: int
    value: float
    step: float


@dataclass(slots=True)
class _Course:
    attempt: int
    values: list[float] = field(default_factory=list)
    step: float = 0
