"""Messages between an endpoint and its workers: plain values over a Unix socket.

The front and its workers are one program in one interpreter, so `marshal` serves: it copies
bytes at memory speed and, unlike pickle, cannot be made to run anything.
"""

from __future__ import annotations

import marshal
import socket
from typing import Any

_LENGTH = 8


def pack(message: Any) -> bytes:
    """Return a message with its length before it."""
    data = marshal.dumps(message)
    return len(data).to_bytes(_LENGTH, "little") + data


def send(connection: socket.socket, message: Any) -> None:
    """Send a message and wait until it is sent."""
    connection.sendall(pack(message))


def receive(connection: socket.socket) -> Any:
    """Wait for a message; EOFError when the other side is gone."""
    length = int.from_bytes(_exactly(connection, _LENGTH), "little")
    return marshal.loads(_exactly(connection, length))  # noqa: S302


def _exactly(connection: socket.socket, count: int) -> bytearray:
    data = bytearray(count)
    view = memoryview(data)
    place = 0
    while place < count:
        got = connection.recv_into(view[place:])
        if not got:
            raise EOFError
        place += got
    return data


class Splitter:
    """Puts messages together of what arrives."""

    def __init__(self) -> None:
        self._parts = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """Return the messages that are complete with `data`."""
        self._parts += data
        found = []
        place = 0
        while len(self._parts) - place >= _LENGTH:
            start = place + _LENGTH
            end = start + int.from_bytes(self._parts[place:start], "little")
            if len(self._parts) < end:
                break
            with memoryview(self._parts)[start:end] as view:
                found.append(marshal.loads(view))  # noqa: S302
            place = end
        if place:
            del self._parts[:place]
        return found
