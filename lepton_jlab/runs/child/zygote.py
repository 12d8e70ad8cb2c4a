"""The fork server's process: it imports what runs need, then forks a child for each.

Requests come over a Unix socket, a JSON line each, and each connection stands for one thing:

``{"op": "hello"}``
    Somebody may want a child; answered by ``{"pid", "preloaded", "threads"}``. The server ends by
    itself some seconds after the last connection.
``{"op": "fork", "env": {…}}`` with descriptors for stdout, stderr and messages
    One child; answered by ``{"pid"}``, and when it ends by ``{"status", "maxrss", "cpu", "oom"}``.
    If the connection closes first, the child is killed.

Clients may connect as soon as the socket is there; they are answered once all is imported.
"""

from __future__ import annotations

import argparse
import faulthandler
import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lepton_jlab.runs.child import linux, streams
from lepton_jlab.runs.child.preload import preload

_GLANCE = 0.1  # seconds between two looks at whether its folder is still there
_MAXRSS_UNIT = 1024 if linux.LINUX else 1  # of ru_maxrss, bytes


@dataclass(frozen=True, slots=True)
class Birth:
    """What a forked child was asked for."""

    env: Mapping[str, str | None]
    descriptors: Sequence[int]
    parent: int


@dataclass(eq=False, slots=True)
class _Connection:
    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)
    descriptors: list[int] = field(default_factory=list)
    pid: int | None = None
    oom_kills: int = 0  # of the machine, when the child was forked

    def close(self) -> None:
        self.socket.close()
        for descriptor in self.descriptors:
            os.close(descriptor)

    def reply(self, answer: Mapping[str, Any]) -> None:
        with suppress(OSError):  # gone: the selector will say so
            self.socket.sendall(json.dumps(answer).encode() + b"\n")


class Server:
    """One thread, one loop: requests, ends of children, and the end of all interest.

    Parameters
    ----------
    path
        Of the socket. Whoever connects for the first time holds the lock file beside it.
    linger, patience
        Seconds without a connection after which to end: after the last one, and before the first.
    """

    def __init__(self, path: Path, linger: float, patience: float) -> None:
        self._path = path
        self._linger = linger
        self._patience = patience
        self._info: Mapping[str, Any] = {}
        self._connections: set[_Connection] = set()
        self._children: dict[int, _Connection] = {}
        self._selector = selectors.PollSelector()  # epoll would be shared with the children
        self._wake, self._woken = socket.socketpair()
        self._listener = socket.socket(socket.AF_UNIX)
        umask = os.umask(0o177)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(umask)
        self._listener.listen(1024)
        for end in (self._listener, self._wake, self._woken):
            end.setblocking(False)

    def serve(self, info: Mapping[str, Any]) -> Birth | None:
        """Answer until nobody is connected; in a forked child, return what it was asked for."""
        self._info = info
        linux.adopt_orphans()
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        end = time.monotonic() + self._patience
        while True:
            left = max(0.0, end - time.monotonic())
            pause = None if self._connections else min(left, _GLANCE)
            for key, _ in self._selector.select(pause):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._woken:
                    self._woken.recv(4096)
                    self._reap()
                elif key.data in self._connections and (birth := self._hear(key.data)):
                    self._close()
                    return birth
            over = time.monotonic() >= end or not self._path.exists()  # its host has ended
            if not self._connections and over and self._retire():
                return None
            if self._connections or time.monotonic() >= end:
                end = time.monotonic() + self._linger

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            connection = _Connection(self._listener.accept()[0])
            self._connections.add(connection)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def _hear(self, connection: _Connection) -> Birth | None:
        """Take what a client sent; in a forked child, return what it was asked for."""
        data, descriptors = b"", list[int]()
        with suppress(ConnectionError):
            data, descriptors, _, _ = socket.recv_fds(connection.socket, 1 << 16, 3)
        connection.descriptors += descriptors
        connection.received += data
        if not data:
            self._drop(connection)
        elif connection.received.endswith(b"\n"):
            request = json.loads(connection.received)
            connection.received.clear()
            if request["op"] == "fork":
                return self._fork(connection, request["env"])
            connection.reply(self._info)
        return None

    def _fork(self, connection: _Connection, env: Mapping[str, str | None]) -> Birth | None:
        descriptors, connection.descriptors = connection.descriptors, []
        connection.oom_kills = linux.oom_kills()
        # `random` seeds itself anew after a fork; numpy would give every child the same numbers.
        if (numpy_random := sys.modules.get("numpy.random")) is not None:
            numpy_random.seed()
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            pid = -1
            connection.reply({"error": str(error)})
        if pid == 0:
            return Birth(env, descriptors, server)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid > 0:
            connection.pid = pid
            self._children[pid] = connection
            connection.reply({"pid": pid})
        return None

    def _reap(self) -> None:
        """Report the children that have ended, and end what they have left behind."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            connection = self._children.pop(pid, None)
            if connection is None:
                continue  # an orphan
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(status)
            out_of_memory = linux.oom_kills() > connection.oom_kills
            connection.pid = None
            connection.reply(
                {
                    "status": code,
                    "maxrss": usage.ru_maxrss * _MAXRSS_UNIT,
                    "cpu": usage.ru_utime + usage.ru_stime,
                    "oom": code == -signal.SIGKILL and out_of_memory,
                }
            )
            if connection in self._connections:
                self._drop(connection)
        for pid in linux.children(os.getpid()):
            if pid not in self._children:  # it left its run's session, and its run has ended
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _drop(self, connection: _Connection) -> None:
        """Forget a client, and kill the child that it has left."""
        if connection.pid is not None:
            linux.kill_group(connection.pid, signal.SIGKILL)
        self._connections.discard(connection)
        self._selector.unregister(connection.socket)
        connection.close()

    def _retire(self) -> bool:
        """Remove the socket, unless somebody is about to connect."""
        try:
            with self._path.with_suffix(".lock").open("r+") as lock:  # "w" would make it again
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._path.unlink()
                self._listener.close()
        except BlockingIOError:
            return False
        except FileNotFoundError:  # the folder has been removed: nobody can connect
            pass
        self._close()
        return True

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()
        for end in (self._listener, self._wake, self._woken):
            end.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Be the fork server: `python -m lepton_jlab.runs.forkserver SOCKET --preload a,b`."""
    parser = argparse.ArgumentParser(prog="lepton_jlab.runs.forkserver", description=__doc__)
    parser.add_argument("socket", type=Path)
    parser.add_argument("--preload", default="tensorflow,keras")
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("--linger", type=float, default=5.0)
    parser.add_argument("--patience", type=float, default=60.0)
    options = parser.parse_args(arguments)
    streams.open_streams()
    faulthandler.enable()
    # Children inherit this, so that an interrupt waits until they can take it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    server = Server(options.socket, options.linger, options.patience)
    if options.detach and os.fork() != 0:
        os._exit(0)  # whoever waits for this process can connect now
    birth = server.serve(preload([name for name in options.preload.split(",") if name]))
    if birth is not None:
        from lepton_jlab.runs.child.life import live

        live(birth.env, birth.descriptors, birth.parent)
