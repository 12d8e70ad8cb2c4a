"""What a worker has to tell its host: coalesced, numbered, acknowledged, and bounded.

The host asks with a long poll and acknowledges with its next question, so that at most one batch is
under way. That is the credit window: when the host is slow, the outbox fills, the worker stops
reading from its children, and a cell that prints too fast waits in its own `print`. Nothing is lost
and nobody else is slowed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import Any

Event = dict[str, Any]

_BATCH = 256 * 1024  # bytes in one answer
_FULL = 1024 * 1024  # bytes waiting at which children are not read any more
_PACE = 0.02  # seconds between two batches that are not urgent
_COMPANY = 0.004  # seconds the first event waits for others: a short cell's begin for its end


class Outbox:
    """Events of all runs of one worker, in order."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, Event]] = deque()
        self._size = 0
        self._batch: list[Event] = []
        self._number = 0
        self._sent = 0.0
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._urgent = asyncio.Event()

    def put(self, event: Event, size: int = 200, urgent: bool = True) -> None:
        """Add an event of about `size` bytes; one that is not `urgent` may wait for company."""
        if not urgent and self._events:
            last_size, last = self._events[-1]
            if _joinable(last, event) and last_size < _BATCH // 2:
                last["text"] += event["text"]
                self._events[-1] = (last_size + size, last)
                self._grow(size)
                return
        self._events.append((size, event))
        if urgent:
            self._urgent.set()
        self._grow(size)

    def full(self) -> bool:
        """Tell whether producers should wait for `room`."""
        return self._size >= _FULL

    async def room(self) -> None:
        """Wait until there is room again."""
        await self._room.wait()

    async def take(self, acknowledged: int, timeout: float) -> dict[str, Any]:
        """Answer the host's question: the next events, or the last ones again if they got lost.

        Parameters
        ----------
        acknowledged : int
            The number of the last batch the host has.
        timeout : float
            Seconds to wait for a first event.
        """
        if acknowledged == self._number:
            self._batch = []
        if not self._batch:
            try:
                await asyncio.wait_for(self._filled.wait(), timeout)
            except TimeoutError:
                return {"number": self._number, "events": []}
            pause = max(self._sent + _PACE - time.monotonic(), _COMPANY)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), pause)
            self._batch = self._cut()
            self._number += 1
        self._sent = time.monotonic()
        return {"number": self._number, "events": self._batch}

    def _grow(self, size: int) -> None:
        self._size += size
        self._filled.set()
        if self.full():
            self._room.clear()

    def _cut(self) -> list[Event]:
        batch: list[Event] = []
        total = 0
        while self._events and (not batch or total + self._events[0][0] <= _BATCH):
            size, event = self._events.popleft()
            batch.append(event)
            total += size
        self._size -= total
        if not self._events:
            self._filled.clear()
            self._urgent.clear()
        if not self.full():
            self._room.set()
        return batch


def _joinable(last: Event, event: Event) -> bool:
    same = all(last.get(key) == event.get(key) for key in ("type", "run", "stream"))
    return same and event["type"] == "text"
