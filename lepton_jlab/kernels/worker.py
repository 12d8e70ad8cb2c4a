"""What a Dask worker does for kernels: a seat each, which is a slot, and a process on it."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import signal
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from jupyter_client.session import Session

from lepton_jlab.config import private_folder
from lepton_jlab.errors import ClusterError
from lepton_jlab.kernels.backlog import Backlog
from lepton_jlab.kernels.front import address_of, connection_of
from lepton_jlab.kernels.wire import CHANNELS, Parts, Wire
from lepton_jlab.runs.child import linux
from lepton_jlab.runs.forkserver import describe_exit
from lepton_jlab.runs.process import Process
from lepton_jlab.runs.worker import PLUGIN as RUNS
from lepton_jlab.runs.worker import RunWorker

PLUGIN = "lepton-kernels"
_QUIET = 0.05  # seconds without a message, after which a dead kernel has said all
_WORDS = 20  # lines of what a kernel printed outside of Jupyter's channels


class KernelWorker(WorkerPlugin):
    """Installed on every worker of a cluster."""

    name = PLUGIN

    def setup(self, worker: Any) -> None:
        """Add the handler through which the host reaches a seat."""
        self._worker = worker
        self._taken: dict[str, asyncio.Event] = {}  # seats that hold a slot; set: it is left
        self._taking = asyncio.Condition()
        worker.handlers["lepton_kernel"] = self._attend

    def teardown(self, worker: Any) -> None:
        """Leave all seats."""
        worker.handlers.pop("lepton_kernel", None)
        for left in self._taken.values():
            left.set()

    async def hold(self, seat: str) -> None:
        """Occupy a slot until the seat is left."""
        left = asyncio.Event()
        async with self._taking:
            self._taken[seat] = left
            self._taking.notify_all()
        try:
            await left.wait()
        finally:
            del self._taken[seat]

    async def _attend(self, comm: Any, seat: str) -> None:
        """Do what the notebook asks for its seat, until the connection or the seat ends."""
        while not getattr(self._worker.plugins.get(RUNS), "ready", False):
            await asyncio.sleep(_QUIET)  # the worker is new
        await comm.write({"type": "ready"})
        async with self._taking:
            await self._taking.wait_for(lambda: seat in self._taken)
        left = self._taken[seat]
        wire = Wire(comm)
        wire.tell(type="taken")
        kernel: Kernel | None = None
        try:
            async for channel, message in wire.received():
                if channel:
                    if kernel is not None:
                        await kernel.send(channel, message)
                elif message["type"] == "launch":
                    if kernel is not None:
                        await kernel.close()
                    kernel = await self._launch(seat, wire, message)
                elif message["type"] == "signal" and kernel is not None:
                    kernel.signal(message["number"])
                elif message["type"] == "leave":
                    break
        finally:
            if kernel is not None:
                await kernel.close()
            await wire.close()
            left.set()

    async def _launch(self, seat: str, wire: Wire, launch: Mapping[str, Any]) -> Kernel | None:
        runs: RunWorker = self._worker.plugins[RUNS]
        folder = private_folder(runs.folder / f"k{seat[:8]}")
        if not runs.shares_disk:  # it would take clusters for dead whose hosts are elsewhere
            away = {"JUPYTER_RUNTIME_DIR": str(folder)}
            launch = {**launch, "env": {**launch["env"], **away}}
        launch = {**launch, "share": runs.share()}
        try:
            process = await runs.child()
        except (ClusterError, OSError) as error:
            wire.tell(type="ended", status=1, reason=f"no process could be started: {error}")
            return None
        return Kernel(process, folder, wire, launch)


class Kernel:
    """A kernel's process and the sockets it is reached by; a listener of what it prints.

    Parameters
    ----------
    process : Process
        A waiting run child.
    folder : Path
        A private one, short because of the sockets in it.
    wire : Wire
        To the notebook.
    launch : mapping
        ``key``, ``scheme``, ``env``, ``cwd``, and its ``share`` of the worker's devices.
    """

    def __init__(
        self, process: Process, folder: Path, wire: Wire, launch: Mapping[str, Any]
    ) -> None:
        self._process = process
        self._folder = folder
        self._wire = wire
        self._words: deque[str] = deque(maxlen=_WORDS)
        self._up = False
        self._last = 0.0
        self._context = zmq.asyncio.Context()
        identity = secrets.token_bytes(8)  # the same on shell and stdin, as a client has it
        self._sockets: dict[str, Any] = {}
        for channel in CHANNELS:
            socket = self._context.socket(zmq.SUB if channel == "iopub" else zmq.DEALER)
            if channel == "iopub":
                socket.subscribe(b"")
                socket.rcvhwm = 0  # ZMQ would drop results, too; the backlog only text
            else:
                socket.identity = identity
            socket.linger = 0
            socket.reconnect_ivl = 10  # ms: it is connected before the kernel has bound
            socket.connect(address_of(folder, channel))
            self._sockets[channel] = socket
        file = folder / "connection.json"
        key, scheme = launch["key"].encode(), launch["scheme"]
        document = connection_of(folder, key, scheme)
        self._backlog = Backlog(Session(key=key, signature_scheme=scheme, username="kernel"))
        file.touch(0o600)
        file.write_text(json.dumps({**document, "key": launch["key"]}))
        spec = {
            "become": "lepton_jlab.kernels.child",
            "file": str(file),
            "env": dict(launch["env"]),
            "cwd": launch["cwd"],
            **launch["share"],
        }
        self._readers = [asyncio.create_task(self._read(channel)) for channel in CHANNELS]
        self._readers.append(asyncio.create_task(self._tell()))
        self._life = asyncio.create_task(self._live(spec))

    async def send(self, channel: str, parts: Parts) -> None:
        """Hand over a message of the notebook."""
        if channel != "iopub" and not self._context.closed:
            await self._sockets[channel].send_multipart(parts)

    def signal(self, number: int) -> None:
        """Signal the kernel; an interrupt reaches its main thread and its commands."""
        if number == signal.SIGINT:
            self._process.child.interrupt()
            self._backlog.forget()
        elif not self._process.child.ended:
            linux.kill_group(self._process.child.pid, signal.Signals(number))

    async def close(self) -> None:
        """End the kernel, if it has not, and forget all of it."""
        self._process.child.kill()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._life), 5)
        self._life.cancel()
        for reader in self._readers:
            reader.cancel()
        self._context.destroy(linger=0)
        self._process.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def text(self, stream: str, text: str) -> None:  # noqa: ARG002 (the listener's protocol)
        """Keep what was printed before or beside Jupyter's channels; it may explain the end."""
        self._words.extend(text.splitlines())

    def message(self, message: Mapping[str, Any]) -> None:
        """Take a message of the child."""
        if message["type"] == "up":
            self._up = True
            self._wire.tell(type="up", pid=self._process.child.pid)

    def may_read(self) -> bool:
        """Tell that more output is welcome."""
        return True

    async def _read(self, channel: str) -> None:
        socket = self._sockets[channel]
        while True:
            parts = await socket.recv_multipart()
            self._last = asyncio.get_running_loop().time()
            if channel == "iopub":
                self._backlog.add(parts)
            else:
                await self._wire.send(channel, parts)

    async def _tell(self) -> None:
        """Send the kernel's output at the speed of the link."""
        while True:
            await self._wire.send("iopub", await self._backlog.take())

    async def _live(self, spec: Mapping[str, Any]) -> None:
        """Let the process be a kernel; tell how it ended, after all that it has said."""
        await self._process.execute(spec, self)
        try:
            exit_ = await self._process.child.status()
            status, oom = exit_.status, exit_.oom
            reason = describe_exit(status, oom)["message"] if status else "it was shut down"
        except ClusterError as error:
            status, reason = 1, str(error)
        if not self._up and self._words:
            reason += ". It printed:\n" + "\n".join(self._words) + "\n"
        loop = asyncio.get_running_loop()
        while self._last > loop.time() - _QUIET or not self._backlog.empty:
            await asyncio.sleep(_QUIET)
        await self._wire.flush()
        self._wire.tell(type="ended", status=status, reason=f"the kernel was {reason}")


async def occupy(seat: str) -> None:
    """Be the Dask task that holds a slot of a worker for a kernel."""
    plugin: KernelWorker | None = get_worker().plugins.get(PLUGIN)
    if plugin is not None:
        await plugin.hold(seat)
