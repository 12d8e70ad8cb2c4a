"""A load generator in a process of its own: connections with one request at a time each."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import uvloop


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, load: _Load) -> None:
        self._request = request
        self._load = load
        self._received = bytearray()
        self._size = -1

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        if self._load.over():
            self._transport.close()
            return
        self._start = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._size < 0:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._received[:end]).lower()
            length = head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
            self._size = end + 4 + int(length)
            self._ok = head.split(b" ", 2)[1] == b"200"
        if len(self._received) >= self._size:
            self._load.done(time.perf_counter() - self._start, self._ok)
            self._received.clear()
            self._size = -1
            self._send()

    def connection_lost(self, _error: Exception | None) -> None:
        self._load.lost()


class _Load:
    def __init__(self, clients: int, seconds: float, most: int) -> None:
        self._end = time.perf_counter() + seconds
        self._most = most
        self._open = clients
        self.taken: list[float] = []
        self.failed = 0
        self.finished = asyncio.Event()

    def over(self) -> bool:
        return time.perf_counter() > self._end or len(self.taken) >= self._most

    def done(self, seconds: float, ok: bool) -> None:
        self.taken.append(seconds)
        self.failed += not ok

    def lost(self) -> None:
        self._open -= 1
        if not self._open:
            self.finished.set()


async def _run(port: int, request: bytes, clients: int, seconds: float, most: int) -> _Load:
    load = _Load(clients, seconds, most)
    loop = asyncio.get_running_loop()
    for _ in range(clients):
        await loop.create_connection(lambda: _Client(request, load), "127.0.0.1", port)
    await asyncio.wait_for(load.finished.wait(), seconds + 60)
    return load


def main() -> None:
    """Read the request from standard input; print what was measured as JSON."""
    port, clients, seconds, most = sys.argv[1:]
    request = sys.stdin.buffer.read()
    start = time.perf_counter()
    load = uvloop.run(_run(int(port), request, int(clients), float(seconds), int(most)))
    elapsed = time.perf_counter() - start
    print(json.dumps({"seconds": elapsed, "taken": load.taken, "failed": load.failed}))


if __name__ == "__main__":
    main()
