"""The wire between a notebook and its kernel: ZMQ messages and notes over one Dask connection.

All five channels share it. Messages are cut into slices, those of short channels go first, and no
more than a window of them is under way: so 10 MB of output on a slow link hold up neither the
heartbeat nor the interrupt, and whoever relays holds no more than the window.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgpack

CHANNELS = ("hb", "control", "stdin", "shell", "iopub")  # in the order in which they are served
Note = dict[str, Any]
Parts = list[bytes]

_SLICE = 256 * 1024  # bytes in one message of the connection: 0.2 s at 10 Mbit/s
_WINDOW = 1024 * 1024  # bytes under way: 0.8 s at 10 Mbit/s, and 12 MB/s at 80 ms
_ROOM = 4 * _WINDOW  # bytes waiting of a channel at which its producer waits


class Wire:
    """One end of the wire; both are alike.

    Parameters
    ----------
    comm : distributed.comm.Comm
        An open connection, of which nobody else reads.
    """

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self._notes: deque[Note] = deque()
        self._slices: dict[str, deque[dict[str, Any]]] = {c: deque() for c in CHANNELS}
        self._waiting = dict.fromkeys(CHANNELS, 0)
        self._partial: dict[str, bytearray] = {}
        self._flying = 0
        self._heard = 0
        self._work = asyncio.Event()
        self._progress = asyncio.Condition()
        self._closed = self._writing = False
        self._sender = asyncio.create_task(self._send())

    def tell(self, **note: Any) -> None:
        """Send a note, ahead of all messages that wait."""
        self._notes.append(note)
        self._work.set()

    async def send(self, channel: str, parts: Parts) -> None:
        """Send a ZMQ message; wait while too much of its channel waits already."""
        packed = msgpack.packb(parts)
        for start in range(0, len(packed), _SLICE):
            own = {"channel": channel, "part": packed[start : start + _SLICE], "first": not start}
            self._slices[channel].append({**own, "last": start + _SLICE >= len(packed)})
        self._waiting[channel] += len(packed)
        self._work.set()
        await self._until(lambda: self._waiting[channel] < _ROOM)

    async def flush(self) -> None:
        """Wait until all that was sent is on its way."""
        await self._until(lambda: not (self._writing or self._notes or any(self._slices.values())))

    async def received(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield ``(channel, parts)`` for messages and ``("", note)`` for notes, until the end.

        A note of type ``again`` says that the other end is a new one, and what was under way lost.
        """
        with suppress(OSError):
            while True:
                message = await self._comm.read()
                if (channel := message.get("channel")) is None:
                    if (heard := message.get("heard")) is not None:
                        self._flying -= heard
                        self._work.set()
                    elif message["type"] == "again":
                        self._flying = 0
                        self._work.set()
                    else:
                        yield "", message
                    continue
                part = message["part"]
                self._heard += len(part)
                whole = self._partial.pop(channel, None) if not message["first"] else bytearray()
                if whole is not None:  # else its beginning was lost with an earlier connection
                    whole += part
                    if message["last"]:
                        yield channel, msgpack.unpackb(bytes(whole))
                    else:
                        self._partial[channel] = whole
                if self._heard >= _WINDOW // 8:
                    self.tell(heard=self._heard)
                    self._heard = 0

    async def close(self) -> None:
        """Close the connection, with nothing left unsent that can be sent in a second."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.flush(), 1.0)
        self._sender.cancel()
        with suppress(OSError):
            await self._comm.close()

    async def _send(self) -> None:
        try:
            while True:
                message = self._next()
                if message is None:
                    self._work.clear()
                    await self._work.wait()
                    continue
                self._writing = True
                await self._comm.write(message)
                self._writing = False
                async with self._progress:
                    self._progress.notify_all()
        except OSError:
            pass  # `received` ends, too
        finally:
            self._closed = True
            async with self._progress:
                self._progress.notify_all()

    def _next(self) -> dict[str, Any] | None:
        if self._notes:
            return self._notes.popleft()
        if self._flying < _WINDOW:
            for channel, slices in self._slices.items():
                if slices:
                    piece = slices.popleft()
                    self._waiting[channel] -= len(piece["part"])
                    self._flying += len(piece["part"])
                    return piece
        return None

    async def _until(self, reached: Any) -> None:
        async with self._progress:
            await self._progress.wait_for(lambda: self._closed or reached())
