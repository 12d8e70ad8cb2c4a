"""Which runs changed since when: what the host answers to those who follow runs live."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

_KEPT = 10_000


class Changes:
    """A numbered, bounded log of run ids."""

    def __init__(self) -> None:
        self._number = 0
        self._log: deque[tuple[int, str]] = deque(maxlen=_KEPT)
        self._waiting = asyncio.Event()

    def note(self, runs: Iterable[str]) -> None:
        """Note that `runs` changed."""
        for run in runs:
            self._number += 1
            self._log.append((self._number, run))
        self._waiting.set()
        self._waiting = asyncio.Event()

    async def wait(self, patience: float) -> None:
        """Return at the next note, or after `patience` s without one."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.wait(), patience)

    async def since(self, number: int, patience: float) -> dict[str, Any]:
        """Return the runs that changed after `number`, waiting up to `patience` s for the first.

        ``runs`` is None when that is too long ago to tell: everything may have changed.
        """
        if number == self._number:
            await self.wait(patience)
            if number == self._number:
                return {"number": number, "runs": []}
        if number > self._number or (self._log and self._log[0][0] > number + 1):
            return {"number": self._number, "runs": None}
        changed = dict.fromkeys(run for n, run in self._log if n > number)
        return {"number": self._number, "runs": list(changed)}
