"""Measures a link with a few small questions and one transfer of half a second or so."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

_ROUNDS = 5  # small questions, of which the quickest counts
_FIRST = 64 * 1024  # bytes of the first transfer
_MOST = 8 * 1024 * 1024
_ENOUGH = 0.2  # seconds that a transfer must take for its rate to mean something


async def probe(ask: Callable[[bytes], Awaitable[object]]) -> tuple[float, float]:
    """Return round trip (s) and goodput (bytes/s) of the link that `ask` sends bytes over.

    The transfer grows until it takes long enough, and is then done once more: TCP knows by then how
    much it may have under way.
    """
    await ask(b"")  # opens the connection
    rtt = min([await _timed(ask, b"") for _ in range(_ROUNDS)])
    size = _FIRST
    while (took := await _timed(ask, _noise(size))) - rtt < _ENOUGH and size < _MOST:
        size = min(_MOST, max(2 * size, int(1.5 * size * _ENOUGH / took)))
    took = min(took, await _timed(ask, _noise(size)))
    return rtt, size / max(took - rtt, 1e-6)


async def _timed(ask: Callable[[bytes], Awaitable[object]], data: bytes) -> float:
    begin = time.perf_counter()
    await asyncio.wait_for(ask(data), 60)
    return time.perf_counter() - begin


def _noise(size: int) -> bytes:
    # Nothing on the way can compress it.
    return os.urandom(size)
