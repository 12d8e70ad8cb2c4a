"""Raw HTTP over a socket, as clients that follow no rules speak it; and servers to speak to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from lepton_jlab.models.serving.http import Limits, Server


class Wire:
    """One connection."""

    def __init__(self, port: int, timeout: float = 20.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._received = b""

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one answer: status, headers, body."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        size = int(headers.get("content-length", 0))
        while len(self._received) < size:
            self._more()
        body, self._received = self._received[:size], self._received[size:]
        return int(first.split()[1]), headers, body

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(self._received)
        self._received += data

    def is_closed(self) -> bool:
        """Wait until the server closes; tell whether it did so without another byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.socket.close()


def post(path: str, body: bytes, **headers: object) -> bytes:
    """Write a request; underscores of header names stand for dashes."""
    given = {"host": "x", "content-length": len(body)}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value is not None)
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


@contextlib.contextmanager
def listening(make: Callable[[], Server]) -> Iterator[tuple[int, Server]]:
    """Serve in a thread of its own; gives the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> tuple[int, Server]:
        server = make()
        return await server.listen("127.0.0.1", 0), server

    port, server = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield port, server
    finally:
        asyncio.run_coroutine_threadsafe(server.close(0.5), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


SMALL = Limits(
    head=1024,
    body=1000,
    held=2500,
    connections=8,
    head_time=0.4,
    body_time=0.6,
    body_rate=1000,
    idle_time=30.0,
)
