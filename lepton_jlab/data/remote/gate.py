"""How many requests are under way at once: more, as long as more bytes come of it."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque

from lepton_jlab.data.remote.transfer import Transfer

MOST = 64  # beyond it, stores push back and memory goes

_FIRST = 8
_GAIN = 1.1  # of the rate, for which a gate is made wider still
_TRIES = 2  # windows in which a wider gate must show a gain
_STEADY = 16  # windows after which a wider gate is tried again
_RESPITE = 1.0  # seconds in which the store's complaints count as one


class Gate:
    """Lets requests through on one event loop, as many at once as pays.

    The delivered bytes a second are measured over windows of as many requests as may be under way.
    As long as others queue for the gate and each doubling brings a tenth more, it widens, so that
    the width that a link needs, bandwidth times latency over the size of a request, is reached
    within a few round trips. It settles at up to twice that: too narrow costs more than too wide.
    """

    def __init__(self, transfer: Transfer) -> None:
        self._transfer = transfer
        self._width = _FIRST
        self._active = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._paid = _FIRST  # the last width that brought more
        self._best = 0.0  # bytes a second that it brought
        self._even = 0  # windows since, at this width
        self._complained = 0.0  # when the store last said that it is too much
        self._start_window()
        transfer.concurrency = self._width

    async def enter(self) -> None:
        """Wait for a place; every entry is followed by one `leave`."""
        if self._active < self._width and not self._queue:
            if self._active == 0:
                self._start_window()
            self._active += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave(0)
            raise

    def leave(self, size: int) -> None:
        """Give the place to the next; `size` bytes have come."""
        self._active -= 1
        self._bytes += size
        self._left += 1
        if self._left >= self._counted:
            self._learn()
        while self._queue and self._active < self._width:
            place = self._queue.popleft()
            if not place.done():
                self._active += 1
                place.set_result(None)

    def narrow(self) -> None:
        """Let half as many through for a while, for the store says that it is too much."""
        now = time.monotonic()
        if now - self._complained < _RESPITE:
            return
        self._complained = now
        self._set(self._width // 2)
        self._paid, self._best = self._width, math.inf
        self._start_window()

    def _start_window(self) -> None:
        self._since = time.monotonic()
        self._bytes = 0
        self._left = 0
        self._counted = self._width

    def _learn(self) -> None:
        rate = self._bytes / max(time.monotonic() - self._since, 1e-6)
        self._transfer.saw_rate(rate, busy=bool(self._queue))
        if self._queue:  # otherwise it is the reader's speed that was measured
            self._adapt(rate)
        self._start_window()

    def _adapt(self, rate: float) -> None:
        self._even += 1
        if rate > self._best * _GAIN:
            self._paid, self._best = self._width, rate
            self._set(self._width * 2)
        elif self._width > self._paid * 2:
            if self._even == _TRIES:
                self._set(self._paid * 2)
        elif self._even >= _STEADY:
            self._best = rate
            self._set(self._width * 2)

    def _set(self, width: int) -> None:
        self._width = max(1, min(width, MOST))
        self._even = 0
        self._transfer.concurrency = self._width
