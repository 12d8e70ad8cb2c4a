"""A run child as its worker holds it: the process, its two text pipes and its message socket."""

from __future__ import annotations

import asyncio
import codecs
import fcntl
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from lepton_jlab.errors import ClusterError
from lepton_jlab.runs.child.streams import SHIFT_IN, SHIFT_OUT
from lepton_jlab.runs.forkserver import Child, ForkServer

_PIPE = 1024 * 1024  # bytes the kernel holds, so that few wake-ups read much
_READ = 256 * 1024
_REST = 0.005  # seconds between two reads of one pipe: 200 wake-ups a second at most
_LAST_WORDS = 0.5  # seconds for what a dead child has left in its socket
_TEARDOWN = 30.0  # seconds for the driver to take a dead child's memory off its GPUs
_SHIFTS = re.compile(f"([{SHIFT_OUT}{SHIFT_IN}])")
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)


class Listener(Protocol):
    """Who hears what a child says."""

    def text(self, stream: str, text: str) -> None:
        """Take a piece of output."""

    def message(self, message: dict[str, Any]) -> None:
        """Take a message, in its place among the output."""

    def may_read(self) -> bool:
        """Tell whether more output is welcome now."""


class Process:
    """A forked child that waits for specifications and executes them one after another."""

    def __init__(self, child: Child, pipes: Mapping[str, int], messages: socket.socket) -> None:
        self.child = child
        self._pipes = [_Pipe(stream, fd) for stream, fd in pipes.items()]
        self._messages = messages
        self._reader: asyncio.Task[None] | None = None
        self._listener: Listener | None = None

    @classmethod
    async def fork(cls, server: ForkServer, env: Mapping[str, str | None]) -> Process:
        """Fork a child of `server` with `env` set."""
        read: dict[str, int] = {}
        write: list[int] = []
        ours, theirs = socket.socketpair()
        try:
            for stream in ("stdout", "stderr"):
                ends = os.pipe()
                read[stream] = ends[0]
                write.append(ends[1])
                os.set_blocking(ends[0], False)
                if _SET_PIPE_SIZE is not None:
                    with suppress(OSError):  # a user's pipe quota may be used up
                        fcntl.fcntl(ends[1], _SET_PIPE_SIZE, _PIPE)
            child = await server.fork(env, write[0], write[1], theirs.fileno())
        except BaseException:
            ours.close()
            for fd in read.values():
                os.close(fd)
            raise
        finally:
            theirs.close()
            for fd in write:
                os.close(fd)
        ours.setblocking(False)
        return cls(child, read, ours)

    async def execute(self, spec: Mapping[str, Any], listener: Listener) -> dict[str, Any] | None:
        """Run one cell; return its ``end`` message, or None when the child died without one."""
        self._listener = listener
        for pipe in self._pipes:
            pipe.watch(partial(self._hear, pipe))
        talk = asyncio.ensure_future(self._converse(spec, listener))
        death = asyncio.ensure_future(self.child.status())
        try:
            await asyncio.wait({talk, death}, return_when=asyncio.FIRST_COMPLETED)
            # A dead child's last messages are still in the socket; a process it has forked may
            # hold the other end open, so their end is not waited for.
            await asyncio.wait({talk}, timeout=_LAST_WORDS)
            return talk.result() if talk.done() else None
        finally:
            for task in (talk, death):
                task.cancel()
                task.add_done_callback(_retrieve)
            for pipe in self._pipes:
                pipe.ignore()
            self._drain()
            self._listener = None

    async def _converse(self, spec: Mapping[str, Any], listener: Listener) -> dict[str, Any] | None:
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._messages, json.dumps(spec).encode() + b"\n")
            async for message in self._lines():
                if message["type"] == "end":
                    return message
                if message["type"] in ("display", "clear", "error"):
                    self._drain()
                    listener.message(message)
                    await loop.sock_sendall(self._messages, b'{"type":"ack"}\n')
                else:
                    listener.message(message)
        except OSError:
            pass  # the child is gone, and did not say how
        return None

    async def tell(self, message: Mapping[str, Any]) -> None:
        """Send the child a message."""
        with suppress(OSError):  # it is gone, and that is told elsewhere
            line = json.dumps(message).encode() + b"\n"
            await asyncio.get_running_loop().sock_sendall(self._messages, line)

    def resume(self) -> None:
        """Read output again after the listener has refused it."""
        for pipe in self._pipes:
            pipe.resume()

    async def leave(self) -> None:
        """Wait until a child that has said its last word is gone, then let go of it."""
        with suppress(ClusterError):
            try:
                await asyncio.wait_for(self.child.status(), _LAST_WORDS)
            except TimeoutError:
                self.child.kill()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.child.status(), _TEARDOWN)
        self.close()

    def close(self) -> None:
        """Let go of the child; it ends, if it has not."""
        self.child.close()
        self._messages.close()
        for pipe in self._pipes:
            pipe.close()

    async def _lines(self) -> AsyncIterator[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        pending = b""
        while part := await loop.sock_recv(self._messages, 1 << 16):
            *lines, pending = (pending + part).split(b"\n")
            for line in lines:
                yield json.loads(line)

    def _hear(self, pipe: _Pipe) -> None:
        assert self._listener is not None
        if not self._listener.may_read():
            pipe.ignore()
        elif (pieces := pipe.read()) is not None:
            for stream, text in pieces:
                self._listener.text(stream, text)
            pipe.rest()

    def _drain(self) -> None:
        assert self._listener is not None
        for pipe in self._pipes:
            while (pieces := pipe.read()) is not None:
                for stream, text in pieces:
                    self._listener.text(stream, text)


def _retrieve(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()


class _Pipe:
    """The reading end of a text pipe, read now and then rather than at each byte."""

    def __init__(self, stream: str, fd: int) -> None:
        self._fd = fd
        self._own = self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._callback: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def read(self) -> list[tuple[str, str]] | None:
        """Return what is there, as pieces with their stream, or None."""
        try:
            part = os.read(self._fd, _READ)
        except BlockingIOError:
            return None
        if not part:
            self.ignore()
            return None
        pieces = []
        for piece in _SHIFTS.split(self._decoder.decode(part)):
            if piece == SHIFT_OUT:
                self._stream = "stderr"
            elif piece == SHIFT_IN:
                self._stream = self._own
            elif piece:
                pieces.append((self._stream, piece))
        return pieces

    def watch(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self.resume()

    def resume(self) -> None:
        if self._callback is not None:
            asyncio.get_running_loop().add_reader(self._fd, self._callback)

    def rest(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        self._timer = loop.call_later(_REST, self.resume)

    def ignore(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        asyncio.get_running_loop().remove_reader(self._fd)

    def close(self) -> None:
        self.ignore()
        self._callback = None
        os.close(self._fd)
