"""The fork server as a worker sees it: start or find it, fork children, signal and await them."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lepton_jlab.config import private_folder
from lepton_jlab.errors import ClusterError
from lepton_jlab.runs.child import linux

_LONGEST_PATH = 100  # bytes; the kernel takes 107
_PAUSE = 0.01  # seconds between two looks

T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended.

    Attributes
    ----------
    status
        Its exit status, or the negative number of the signal that killed it.
    maxrss
        Its largest resident memory in bytes, the pages shared with the fork server included.
    cpu
        The processor seconds of it and of the children that it has waited for.
    oom
        The kernel killed it because memory ran out.
    """

    status: int
    maxrss: int
    cpu: float
    oom: bool


class Child:
    """A run child: a process that the fork server has forked and waits for."""

    def __init__(self, pid: int, streams: Streams) -> None:
        self.pid = pid
        self._reader, self._writer = streams
        self._exit = _later(self._wait())

    async def status(self) -> Exit:
        """Wait until the child has ended.

        Raises
        ------
        ClusterError
            The fork server has gone, and all its children with it.
        """
        return await asyncio.shield(self._exit)

    @property
    def ended(self) -> bool:
        """Whether it is known to have ended."""
        return self._exit.done()

    def interrupt(self) -> None:
        """Interrupt the cell, as Ctrl-C does: a KeyboardInterrupt, and SIGINT to its commands."""
        if not self._exit.done():  # later its pid may be another's
            linux.interrupt(self.pid)

    def terminate(self) -> None:
        """Send SIGTERM: a run that makes checkpoints makes one and ends, others just end."""
        if not self._exit.done():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the child and what it has started."""
        if not self._exit.done():
            linux.kill_group(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Give the child up; the fork server kills it if it is alive."""
        self._exit.cancel()
        self._writer.close()

    async def _wait(self) -> Exit:
        try:
            return Exit(**await _answer(self._reader))
        except ClusterError:
            linux.kill_group(self.pid, signal.SIGKILL)  # its commands, which outlive the server
            raise
        finally:
            self._writer.close()


class ForkServer:
    """A fork server, which stays alive at least as long as this connection to it."""

    def __init__(self, path: Path, streams: Streams) -> None:
        self.path = path
        reader, self._writer = streams
        self._info = _later(_answer(reader))

    async def ready(self) -> dict[str, Any]:
        """Wait until it has preloaded; return its pid, what it has preloaded and its threads.

        Raises
        ------
        ClusterError
            It ended before.
        """
        return await asyncio.shield(self._info)

    async def fork(
        self,
        env: Mapping[str, str | None],
        stdout_fd: int,
        stderr_fd: int,
        message_fd: int,
    ) -> Child:
        """Fork a child; the descriptors may be closed here as soon as this returns.

        Parameters
        ----------
        env
            Environment variables to set in the child or, with `None`, to unset. TensorFlow is not
            initialised yet, so those that it reads (``CUDA_VISIBLE_DEVICES``) take effect.
        stdout_fd, stderr_fd
            Where the child's text goes.
        message_fd
            The child's end of a socket pair, for specifications and messages.

        Raises
        ------
        ClusterError
            The fork server has gone, or there is no memory left for a child.
        """
        connection = await _connect(self.path)
        if connection is None:
            raise ClusterError("The fork server of this machine has gone; the next run starts one.")
        request = {"op": "fork", "env": dict(env)}
        streams = await _open(connection, request, [stdout_fd, stderr_fd, message_fd])
        try:
            answer = await _answer(streams[0])
        except BaseException:
            streams[1].close()  # and the server kills the child, if there is one
            raise
        if "error" in answer:
            streams[1].close()
            raise ClusterError(f"No process could be started for the run: {answer['error']}.")
        return Child(answer["pid"], streams)

    def close(self) -> None:
        """Let the fork server end, once nobody else needs it."""
        self._info.cancel()
        self._writer.close()


async def connect_or_start(
    folder: Path, preload: Sequence[str], *, linger: float = 5.0
) -> ForkServer:
    """Return the fork server of `folder`, started if there is none; it may still be preloading.

    Parameters
    ----------
    folder
        Private to this user; holds the socket ``fork.sock`` and the log ``fork.log``.
    preload
        Names of the modules to import before the first fork; those not installed are skipped.
    linger
        Seconds for which a new server outlives its last connection.

    Raises
    ------
    ClusterError
        It does not start; the message has the end of its log.
    """
    folder = private_folder(folder)
    path = folder / "fork.sock"
    async with _locked(path.with_suffix(".lock")):
        connection = await _connect(path)
        if connection is None:
            path.unlink(missing_ok=True)  # left by one that was killed
            await _start(path, preload, linger)
            connection = await _connect(path)
    if connection is None:
        raise ClusterError(f"The fork server ended at once. Its log: {path.with_suffix('.log')}.")
    return ForkServer(path, await _open(connection, {"op": "hello"}))


def describe_exit(status: int, oom: bool) -> dict[str, str]:
    """Say in a run's words how a child ended that did not come to the end of its cell.

    Examples
    --------
    >>> describe_exit(-11, oom=False)
    {'kind': 'signal', 'message': 'killed by SIGSEGV (segmentation fault)'}
    """
    if oom:
        message = "killed by the kernel: the machine ran out of memory"
        return {"kind": "memory", "message": message}
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"{-status}"
        words = (signal.strsignal(-status) or "unknown signal").lower()
        return {"kind": "signal", "message": f"killed by {name} ({words})"}
    message = f"the process ended with status {status} before the cell did (os._exit?)"
    return {"kind": "exit", "message": message}


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_PAUSE)
        yield


async def _connect(path: Path) -> socket.socket | None:
    """Return a connection, or `None` if nobody listens at `path`."""
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ClusterError(
            f"The path {path} is too long for a socket (more than {_LONGEST_PATH} bytes). "
            "Choose a shorter one by the environment variable JUPYTER_RUNTIME_DIR."
        )
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, str(path))
    except BaseException as error:
        connection.close()
        if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
            return None
        raise
    return connection


async def _start(path: Path, preload: Sequence[str], linger: float) -> None:
    """Start a server; it listens when this returns, and is nobody's child."""
    log_path = path.with_suffix(".log")
    command = [sys.executable, "-P", "-m", "lepton_jlab.runs.forkserver", str(path), "--detach"]
    command += ["--preload", ",".join(preload), "--linger", str(linger)]
    with log_path.open("wb") as log:
        launch = functools.partial(
            subprocess.run,
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=path.parent,
            start_new_session=True,
            check=False,
        )
        result = await asyncio.to_thread(launch)
    if result.returncode != 0:
        end = "\n".join(log_path.read_text(errors="replace").splitlines()[-20:])
        raise ClusterError(f"The fork server did not start. The end of {log_path}:\n{end}")


async def _open(
    connection: socket.socket, request: Mapping[str, Any], descriptors: Sequence[int] = ()
) -> Streams:
    """Send a request, with descriptors; return the streams for what follows."""
    line = json.dumps(request).encode() + b"\n"
    try:
        sent = socket.send_fds(connection, [line], descriptors)
        await asyncio.get_running_loop().sock_sendall(connection, line[sent:])
        return await asyncio.open_connection(sock=connection)
    except BaseException:
        connection.close()
        raise


def _later(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start `work`, whose error nobody may ever ask for."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


async def _answer(reader: asyncio.StreamReader) -> dict[str, Any]:
    with suppress(ConnectionError):
        if line := await reader.readline():
            answer: dict[str, Any] = json.loads(line)
            return answer
    raise ClusterError("The fork server of this machine has gone; the next run starts another.")


if __name__ == "__main__":
    from lepton_jlab.runs.child.zygote import main

    main()
