"""The message socket between a run child and its worker: JSON, one object a line."""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from lepton_jlab.runs.child import streams
from lepton_jlab.runs.child.interrupts import uninterrupted

Message = Mapping[str, object]


class Channel:
    """The child's end.

    Text travels through descriptors 1 and 2 and everything else through here, so a message whose
    place among the text matters is sent by `send_in_order`. Threads may send; a process that the
    run forks may not, and what it sends is dropped.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.set_inheritable(False)
        self._socket: socket.socket | None = connection
        self._lock = threading.RLock()
        self._received = bytearray()
        self._specs: deque[dict[str, Any]] = deque()
        self._owed = 0  # acknowledgements still to come
        os.register_at_fork(after_in_child=self._forget)

    def send(self, message: Message) -> None:
        """Send one message; it may overtake text printed before it."""
        line = json.dumps(message, default=_plain, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self._socket is not None:
                with uninterrupted():  # half a line would garble the rest
                    self._socket.sendall(line)

    def send_in_order(self, message: Message) -> None:
        """Send a message behind all text printed so far and ahead of all text printed later.

        The worker reads descriptors 1 and 2 dry when it gets the message, then says
        ``{"type": "ack"}``, which this waits for.
        """
        with self._lock:
            if self._socket is None:
                return
            streams.flush()
            with uninterrupted():
                self.send(message)
                self._owed += 1
            while self._owed:
                self._wait()  # takes nothing from the socket, so an interrupt may come here
                with uninterrupted():
                    self._read()

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next specification; `None` when the worker has closed the channel."""
        with self._lock:
            while not self._specs:
                self._wait()
                if not self._read():
                    return None
            return self._specs.popleft()

    def _wait(self) -> None:
        if self._socket is not None:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            poll.poll()

    def _read(self) -> bool:
        data = self._socket.recv(1 << 16) if self._socket is not None else b""
        self._received += data
        while (end := self._received.find(b"\n")) >= 0:
            message = json.loads(self._received[:end])
            del self._received[: end + 1]
            if message.get("type") == "ack":
                self._owed -= 1
            else:
                self._specs.append(message)
        if not data:
            self._owed = 0
        return bool(data)

    def _forget(self) -> None:
        self._socket = None
        self._lock = threading.RLock()  # another thread may have held it at the fork


def _plain(value: object) -> object:
    """Turn what JSON does not know, in display data mostly, into what it does."""
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return value.item()
    return str(value)
