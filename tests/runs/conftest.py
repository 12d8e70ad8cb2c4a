"""A worker in small: it forks children, sends them cells and hears all they say, in order."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lepton_jlab.runs.forkserver import Child, Exit, ForkServer, connect_or_start

T = TypeVar("T")


@dataclass
class Heard:
    """What a child said about one cell."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None
    exit: Exit | None = None

    @property
    def text(self) -> str:
        return "".join(m["text"] for m in self.messages if m["type"] == "text")

    @property
    def error(self) -> dict[str, Any]:
        assert self.end is not None, self.messages
        assert self.end["error"] is not None, self.messages
        return self.end["error"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["type"] == kind]


class Conversation:
    """One child, from the fork to its end."""

    def __init__(self, child: Child, pipes: dict[str, int], messages: socket.socket) -> None:
        self.child = child
        self.heard = Heard()
        self._pipes = pipes
        self._messages = messages
        self._tail = b""

    @classmethod
    async def begin(cls, server: ForkServer, env: dict[str, str | None]) -> Conversation:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        (out, out_w), (err, err_w) = os.pipe(), os.pipe()
        child = await server.fork(env, out_w, err_w, theirs.fileno())
        theirs.close()
        for fd in (out_w, err_w):
            os.close(fd)
        for fd in (out, err):
            os.set_blocking(fd, False)
        return cls(child, {"stdout": out, "stderr": err}, ours)

    async def run(self, spec: dict[str, Any]) -> Heard:
        """Send a cell and listen until its end or the child's."""
        loop = asyncio.get_running_loop()
        self.heard = Heard()
        for stream, fd in self._pipes.items():
            loop.add_reader(fd, self._read, stream, fd)
        try:
            await loop.sock_sendall(self._messages, json.dumps(spec).encode() + b"\n")
            while self.heard.end is None and (message := await self._next()) is not None:
                self._drain()
                if message["type"] == "end":
                    self.heard.end = message
                else:
                    self.heard.messages.append(message)
                if message["type"] in ("display", "clear", "error"):
                    await loop.sock_sendall(self._messages, b'{"type":"ack"}\n')
        except ConnectionError:
            pass
        for fd in self._pipes.values():
            loop.remove_reader(fd)
        self._drain()
        return self.heard

    async def until(self, condition: Callable[[Heard], object]) -> None:
        while not condition(self.heard):
            await asyncio.sleep(0.002)

    def hang_up(self) -> None:
        self._messages.close()

    async def close(self) -> None:
        self.child.close()
        self._messages.close()
        for fd in self._pipes.values():
            os.close(fd)

    async def _next(self) -> dict[str, Any] | None:
        loop = asyncio.get_running_loop()
        while b"\n" not in self._tail:
            data = await loop.sock_recv(self._messages, 1 << 16)
            if not data:
                return None
            self._tail += data
        line, self._tail = self._tail.split(b"\n", 1)
        return json.loads(line)

    def _drain(self) -> None:
        for stream, fd in self._pipes.items():
            while self._read(stream, fd):
                pass

    def _read(self, stream: str, fd: int) -> bool:
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(fd)
            return False
        last = self.heard.messages[-1] if self.heard.messages else {}
        if last.get("type") == "text" and last["stream"] == stream:
            last["text"] += data.decode()
        else:
            self.heard.messages.append({"type": "text", "stream": stream, "text": data.decode()})
        return True


class SmallWorker:
    """A fork server, and cells run in its children."""

    def __init__(self, folder: Path, preload: tuple[str, ...]) -> None:
        self.folder = folder
        self._loop = asyncio.new_event_loop()
        self.server = self.do(connect_or_start(folder / "fork", preload, linger=0.3))
        self.info = self.do(self.server.ready())
        self._count = 0

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(asyncio.wait_for(work, 60))

    def spec(self, code: str, **changes: Any) -> dict[str, Any]:
        self._count += 1
        folder = self.folder / f"r{self._count}"
        folder.mkdir()
        return {
            "id": folder.name,
            "code": code,
            "params": {},
            "payload": [],
            "pull": [],
            "cwd": str(self.folder),
            "sys_path": [""],
            "memory": None,
            "folder": str(folder),
            "name": None,
            "filename": f"run {folder.name}",
            "affinity": None,
            "keep": None,
        } | changes

    async def fork(self, **env: str | None) -> Conversation:
        return await Conversation.begin(self.server, env)

    def begin(self) -> Conversation:
        return self.do(self.fork())

    def run(
        self,
        code: str,
        *,
        env: dict[str, str | None] | None = None,
        meanwhile: Callable[[Conversation], Awaitable[None]] | None = None,
        **changes: Any,
    ) -> Heard:
        """Run a cell in a new child, do something `meanwhile`, and wait for the child's end."""
        return self.do(self._run(self.spec(code, **changes), env or {}, meanwhile))

    async def _run(
        self,
        spec: dict[str, Any],
        env: dict[str, str | None],
        meanwhile: Callable[[Conversation], Awaitable[None]] | None,
    ) -> Heard:
        conversation = await self.fork(**env)
        try:
            running = asyncio.ensure_future(conversation.run(spec))
            if meanwhile is not None:
                await meanwhile(conversation)
            heard = await running
            heard.exit = await conversation.child.status()
            return heard
        finally:
            await conversation.close()

    def close(self) -> None:
        self.server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWorker]:
    """A worker whose fork server has numpy."""
    small = SmallWorker(tmp_path_factory.mktemp("worker"), ("numpy",))
    yield small
    small.close()


@pytest.fixture(scope="session")
def keras_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWorker]:
    """A worker whose fork server has TensorFlow and Keras."""
    pytest.importorskip("tensorflow")
    small = SmallWorker(tmp_path_factory.mktemp("keras_worker"), ("tensorflow", "keras"))
    yield small
    small.close()
