"""The notebook's side of a kernel on a worker: its seat there, its launches, signals and death."""

from __future__ import annotations

import asyncio
import atexit
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lepton_jlab.cluster import connection
from lepton_jlab.cluster.channel import security_of
from lepton_jlab.config import settings
from lepton_jlab.errors import ClusterError
from lepton_jlab.kernels.front import Front, connection_of
from lepton_jlab.kernels.wire import Parts, Wire

_AGAIN = 0.5  # seconds between two tries to reach a host whose connection broke
_HEARD = 1.5  # seconds in which front ends show last words, before the kernel counts as dead
_DIED = "KernelDied"  # what a cell shows as the name of its error
LOST = 1  # the exit status of a kernel that could say none itself


class Tunnel:
    """One notebook's seat on a worker; all its methods are for one event loop.

    Parameters
    ----------
    cluster : str
        The name of a running cluster.
    worker : str, optional
        The name of one of its workers; by default a free one.
    label : str
        What the cluster calls the kernel: the notebook's name.
    key, scheme
        Of the notebook's messages.
    """

    def __init__(
        self, cluster: str, worker: str | None, label: str, key: bytes, scheme: str
    ) -> None:
        self.cluster = cluster
        self.status: int | None = None  # of the process, once it has ended
        self.final = False  # whether there is no cluster any more
        self.reason = ""
        self.where = ""
        self._wanted = worker
        self._label = label
        self._key, self._scheme = key, scheme
        self._seat = secrets.token_hex(8)
        self._folder = Path(tempfile.mkdtemp(prefix="lepton-k-"))
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self._front = Front(self._folder, key, scheme, self._forward)
        self._wire: Wire | None = None
        self._reader: asyncio.Task[None] | None = None
        self._up: asyncio.Future[None] | None = None
        self._ended = asyncio.Event()
        self._expected = False  # its end was asked for
        self._busy = False
        self._left = False

    @property
    def connection(self) -> dict[str, Any]:
        """What Jupyter's clients connect to."""
        return connection_of(self._folder, self._key, self._scheme)

    async def launch(self, env: Mapping[str, str], cwd: str | None) -> None:
        """Start a kernel on the seat, after taking one if there is none.

        Raises
        ------
        NotFoundError
            There is no such cluster, or no such worker.
        ClusterError
            No worker is free, or the kernel did not start.
        """
        self._front.bind()
        self._front.pause()
        try:
            await self._begin(env, cwd)
        except BaseException as error:
            await self._front.bury(_DIED, self.reason or str(error))
            raise
        notice = f"This is a new kernel, on {self.where}: {self.reason}." if self.reason else None
        self._expected = False
        self.status, self.reason = None, ""
        self._ended.clear()
        await self._front.revive(notice)

    async def _begin(self, env: Mapping[str, str], cwd: str | None) -> None:
        """Have the seat, and a kernel on it."""
        if self._wire is None:
            await self._take_seat()
        assert self._wire is not None
        self._up = asyncio.get_running_loop().create_future()
        self._wire.tell(
            type="launch",
            env=dict(env),
            cwd=cwd,
            key=self._key.decode(),
            scheme=self._scheme,
        )
        try:
            await self._up
        finally:
            self._up = None

    def signal(self, number: int) -> None:
        """Send a signal to the kernel; to one that cannot be reached it makes no difference."""
        if number in (signal.SIGKILL, signal.SIGTERM):
            self._expected = True
        if self._wire is not None:
            self._wire.tell(type="signal", number=number)
        elif self._expected and self.status is None:
            self._die(LOST, "its cluster could not be reached")

    def expect_end(self) -> None:
        """Note that the kernel was asked to end."""
        self._expected = True

    async def ended(self) -> int:
        """Wait for the end of the kernel and return its exit status."""
        await self._ended.wait()
        assert self.status is not None
        return self.status

    async def leave(self) -> None:
        """Give the seat back, with what runs on it."""
        if self._left:
            return
        wire, self._wire, self._left = self._wire, None, True
        if wire is not None:
            wire.tell(type="leave")
            await wire.close()
        if self._reader is not None:
            self._reader.cancel()
        self._front.close()

    async def _take_seat(self, again: bool = False) -> None:
        """Ask the cluster's host for the seat, or for the one that this notebook has."""
        from distributed.comm import connect

        info = connection.find(self.cluster)
        if info["state"] != "running":
            raise ClusterError(f"Cluster {self.cluster!r} is still starting. Try again.")
        arguments = security_of(info["control_security"]).get_connection_args("client")
        try:
            comm = await connect(info["control"], timeout=5, **arguments)
            request = {"seat": self._seat, "worker": self._wanted, "label": self._label}
            await comm.write({"op": "lepton_kernel", "reply": False, "again": again, **request})
            answer = await comm.read()
        except OSError as error:
            raise ClusterError(
                f"Cluster {self.cluster!r} does not answer ({error}). See what runs: "
                "%lepton cluster list"
            ) from error
        if answer["type"] != "seat":
            await comm.close()
            raise ClusterError(answer["reason"])
        self.where = answer["where"]
        self._process = info["pid"], info["created"]
        self._wire = Wire(comm)
        self._busy = False  # as the host takes it to be
        self._tell_busy()
        self._reader = asyncio.create_task(self._listen(self._wire))

    async def _forward(self, channel: str, parts: Parts) -> None:
        if self._wire is not None:
            await self._wire.send(channel, parts)
            self._tell_busy()

    async def _listen(self, wire: Wire) -> None:
        async for channel, message in wire.received():
            if channel:
                await self._front.deliver(channel, message)
                self._tell_busy()
            elif message["type"] == "up":
                if self._up is not None and not self._up.done():
                    self._up.set_result(None)
            elif message["type"] == "ended":
                await self._end(message["status"], message["reason"])
            elif message["type"] == "lost":
                self._drop(wire)
                self.final = message["final"]
                await self._end(LOST, message["reason"])
                return
        self._drop(wire)
        if not self._left:
            self._front.hold()
            await self._return()

    def _drop(self, wire: Wire) -> None:
        if self._wire is wire:
            self._wire = None
        self._closing = asyncio.create_task(wire.close())

    async def _return(self) -> None:
        """Reach the host again after the connection broke; the kernel waits for that a while."""
        end = time.monotonic() + settings().kernel_patience
        while time.monotonic() < end:
            if not connection.process_lives(*self._process):
                self.final = True
                await self._end(LOST, f"cluster {self.cluster!r} has ended: its host died")
                return
            try:
                await self._take_seat(again=True)
            except ClusterError:
                await asyncio.sleep(_AGAIN)
            else:
                self._front.go_on()
                return
        await self._end(LOST, f"the connection to cluster {self.cluster!r} was lost")

    async def _end(self, status: int, reason: str) -> None:
        """Settle the end of the kernel: whoever waits for an answer gets the reason."""
        self.reason = "" if self._expected and not self.final else reason
        if self._up is not None and not self._up.done():
            self._up.set_exception(ClusterError(f"The kernel did not start: {reason}."))
            return
        if self.status is not None:
            return
        if self._expected and not self.final:
            self._front.pause()
        else:
            waited_for = self._front.busy
            await self._front.bury(_DIED, reason)
            if waited_for:
                await asyncio.sleep(_HEARD)
        self._die(status, self.reason)

    def _die(self, status: int, reason: str) -> None:
        self.status, self.reason = status, reason
        self._ended.set()

    def _tell_busy(self) -> None:
        """Let the host know whether the kernel is used, for the cluster's idle timeout."""
        if self._wire is not None and self._front.busy != self._busy:
            self._busy = self._front.busy
            self._wire.tell(type="busy", busy=self._busy)
