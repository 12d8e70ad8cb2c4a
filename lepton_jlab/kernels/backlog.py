"""Output of a kernel that waits for the link: bounded, and forgotten by an interrupt.

A kernel prints faster than most links carry. Plots, results and errors always arrive; of printed
text, what is too much is left out, and the cell says how much, as Jupyter Server does where the
output exceeds its rate limit.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque

from jupyter_client.session import DELIM, Session

from lepton_jlab.kernels.wire import Parts

_ROOM = 64 * 1024 * 1024  # bytes: 50 s at 10 Mbit/s
_WORTH = 1024 * 1024  # bytes that wait when an interrupt is worth a gap in the output


class Backlog:
    """Messages of one kernel's IOPub channel, in order; for one event loop.

    Parameters
    ----------
    session : Session
        Signs the notices of what was left out.
    room : int
        Bytes that may wait.
    worth : int
        Bytes that an interrupt leaves alone.
    """

    def __init__(self, session: Session, room: int = _ROOM, worth: int = _WORTH) -> None:
        self._session = session
        self._room, self._worth = room, worth
        self._waiting: deque[Parts] = deque()
        self._bytes = 0
        self._gap: tuple[Parts, int] | None = None  # the first message left out, bytes of all
        self._filled = asyncio.Event()

    @property
    def empty(self) -> bool:
        """Whether all has been taken."""
        return not self._waiting

    def add(self, parts: Parts) -> None:
        """Take a message of the kernel."""
        if _is_text(parts) and self._bytes + _size(parts) > self._room:
            self._leave_out(parts)
            return
        self._tell_gap()
        self._append(parts)

    def forget(self) -> None:
        """Leave out the text that waits, since the user has interrupted what prints it."""
        if self._bytes <= self._worth:
            return
        waiting, self._waiting, self._bytes = self._waiting, deque(), 0
        for parts in waiting:
            if _is_text(parts):
                self._leave_out(parts)
            else:
                self._append(parts)
        self._tell_gap()

    async def take(self) -> Parts:
        """Return the next message, once there is one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        parts = self._waiting.popleft()
        self._bytes -= _size(parts)
        return parts

    def _append(self, parts: Parts) -> None:
        self._waiting.append(parts)
        self._bytes += _size(parts)
        self._filled.set()

    def _leave_out(self, parts: Parts) -> None:
        first, size = self._gap or (parts, 0)
        self._gap = first, size + _size(parts)

    def _tell_gap(self) -> None:
        if self._gap is None:
            return
        (parts, size), self._gap = self._gap, None
        parent = json.loads(parts[parts.index(DELIM) + 3])
        text = (
            f"\n[{size / 1e6:.1f} MB of output were left out here: the link to the worker could "
            "not carry them.]\n"
        )
        content = {"name": "stderr", "text": text}
        notice = self._session.msg("stream", content, parent=parent)
        self._append(self._session.serialize(notice, b"stream.stderr"))


def _is_text(parts: Parts) -> bool:
    return parts[0].startswith(b"stream.")


def _size(parts: Parts) -> int:
    return sum(map(len, parts))
