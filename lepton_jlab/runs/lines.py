"""The queue: one line for all runs, or one for each place as soon as there are several."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lepton_jlab.runs.journal import Entry
    from lepton_jlab.runs.placing import Work


class Lines:
    """Runs that wait, first come, first served within each line."""

    def __init__(self) -> None:
        self._lines: dict[str | None, deque[Entry]] = {None: deque()}
        self._works: dict[str | None, Counter[Work]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def __iter__(self) -> Iterator[tuple[str | None, deque[Entry]]]:
        return iter(list(self._lines.items()))

    def line(self, place: str | None) -> deque[Entry]:
        """Return the line of a place, to look at; None: of those that may go anywhere."""
        return self._lines.setdefault(place, deque())

    def works(self, place: str | None) -> Counter[Work]:
        """Return how many runs of each submission wait in a line."""
        return self._works.setdefault(place, Counter())

    def add(self, entry: Entry) -> None:
        """Put a run at the end of its line."""
        self.line(entry.place).append(entry)
        self.works(entry.place)[entry.work] += 1

    def put_back(self, entry: Entry) -> None:
        """Put a run at the head of its line."""
        self.line(entry.place).appendleft(entry)
        self.works(entry.place)[entry.work] += 1

    def next(self, place: str | None) -> Entry:
        """Take the run at the head of a line."""
        entry = self._lines[place].popleft()
        self._gone(entry)
        return entry

    def remove(self, entry: Entry) -> None:
        """Take a run out."""
        self._lines[entry.place].remove(entry)
        self._gone(entry)

    def move(self, entry: Entry, place: str | None) -> None:
        """Put a run at the end of another line."""
        self.remove(entry)
        entry.place = place
        self.add(entry)

    def clear(self) -> None:
        """Forget all."""
        self._lines.clear()
        self._works.clear()

    def _gone(self, entry: Entry) -> None:
        works = self._works[entry.place]
        works[entry.work] -= 1
        if not works[entry.work]:
            del works[entry.work]
