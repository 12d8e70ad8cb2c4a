"""What a Dask worker does for runs: hold slots, execute in forked children, report to the host."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
import zlib
from collections import deque
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from lepton_jlab.cluster.backend import RUN_METRICS, SLOT
from lepton_jlab.cluster.devices import METRIC as DEVICE_METRIC
from lepton_jlab.config import private_folder
from lepton_jlab.errors import ClusterError
from lepton_jlab.runs.attempt import Attempt, failed
from lepton_jlab.runs.devices import WorkerDevices, while_running
from lepton_jlab.runs.environment import environment, refusal, warning
from lepton_jlab.runs.forkserver import ForkServer, connect_or_start
from lepton_jlab.runs.meter import machine
from lepton_jlab.runs.notice import checkpoint_first, heed_sigterm, meeting_place
from lepton_jlab.runs.outbox import Outbox
from lepton_jlab.runs.process import Process

PLUGIN = "lepton-runs"
_LAST_WORDS = 5.0  # seconds for what a lost device holds: its driver may keep it from dying
_ROW = 0.25  # seconds for runs in a row, before the rest goes back to the queue
PART = 4 * 1024 * 1024  # bytes of a file in one message


class RunWorker(WorkerPlugin):
    """Installed on every worker of a cluster, also on those that come later.

    Parameters
    ----------
    scratch : str
        The host's scratch folder; a worker of the same machine uses it, too.
    token : str
        What the file ``token`` there says, so that a worker knows whether it shares the disk.
    preload : list of str
        Modules that the fork server imports.
    grace, keep_timeout : float
        Seconds, see `lepton_jlab.config.Settings`.
    devices : dict, optional
        What `WorkerDevices` takes.
    """

    name = PLUGIN
    ready = False  # whether it has declared its slot

    def __init__(
        self,
        scratch: str,
        token: str,
        preload: list[str],
        grace: float,
        keep_timeout: float,
        devices: dict[str, Any] | None = None,
    ) -> None:
        self._scratch = scratch
        self._token = token
        self._preload = preload
        self._grace = grace
        self._keep_timeout = keep_timeout
        self._device_settings = devices or {}

    async def setup(self, worker: Any) -> None:
        """Declare the slot, add the handlers, and warm the fork server up in the background."""
        self.worker = worker
        self._outbox = Outbox()
        self._attempts: dict[str, Attempt] = {}
        self._preparing: dict[str, dict[str, str] | None] = {}  # and why to stop it at once
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: deque[tuple[str, int]] = deque(maxlen=256)
        self._told: deque[dict[str, str]] = deque(maxlen=16)  # environments of clients
        self._kept: dict[str, Process] = {}
        self._kept_timers: dict[str, asyncio.TimerHandle] = {}
        self._releases: dict[str, asyncio.Event] = {}
        self._server: ForkServer | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._abandoned: set[str] = set()
        self._devices = WorkerDevices(**self._device_settings)
        self._spare: asyncio.Task[Process] | None = None
        self._shares_disk = self._reads_token()
        self._folder = self._own_folder()
        worker.http_server.stop()  # nothing listens without authentication
        for handler in ("start", "stop_run", "tell", "put", "events", "release", "settle"):
            worker.handlers[f"lepton_{handler}"] = getattr(self, f"_{handler}")
        worker.handlers["lepton_kept"] = self._kept_children
        worker.metrics[RUN_METRICS] = self._usage
        worker.metrics[DEVICE_METRIC] = lambda _worker: self._devices.told()
        await worker.set_resources(**{SLOT: self._devices.slots})
        self.ready = True
        heed_sigterm(self._attempts.values)
        self._outbox.put({"type": "ready"})
        self._devices.watch(self._lose_device)
        self._prepare_spare()

    async def teardown(self, worker: Any) -> None:
        """Let all children go; those of a worker that just dies are ended by the fork server."""
        await checkpoint_first(self._attempts.values())
        for handler in [name for name in worker.handlers if name.startswith("lepton_")]:
            del worker.handlers[handler]
        for metric in (RUN_METRICS, DEVICE_METRIC):
            worker.metrics.pop(metric, None)
        self._devices.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for released in self._releases.values():
            released.set()
        for process in self._kept.values():
            process.close()
        if self._spare is not None and not self._spare.cancel() and not self._spare.exception():
            self._spare.result().close()
        if self._server is not None:
            self._server.close()

    @property
    def folder(self) -> Path:
        """A private folder on this machine; its path is short, for sockets."""
        return self._folder

    @property
    def shares_disk(self) -> bool:
        """Whether this worker is on its host's machine, or as good as that."""
        return self._shares_disk

    async def child(self, keep: str | None = None) -> Process:
        """Return a child that waits; where it gets a GPU, once the one before has left it."""
        await self._settle()
        return await self._process(keep)

    def share(self) -> dict[str, Any]:
        """Return what a child's specification says of its share of this worker's devices."""
        return self._devices.fill({})

    def _usage(self, _worker: Any) -> dict[str, Any]:
        """Return what each run here uses; Dask asks for it at each heartbeat."""
        return {run: attempt.usage() for run, attempt in self._attempts.items()}

    async def hold(self, lease: str) -> None:
        """Occupy a slot for the host, until it releases the lease."""
        released = self._releases[lease] = asyncio.Event()
        self._outbox.put({"type": "slot", "lease": lease, "environment": environment()})
        try:
            await released.wait()
        finally:
            del self._releases[lease]

    async def _release(self, lease: str) -> None:
        if lease in self._releases:
            self._releases[lease].set()

    async def _events(self, acknowledged: int) -> dict[str, Any]:
        return await self._outbox.take(acknowledged, timeout=10.0)

    async def _put(self, digest: str, offset: int, data: bytes, last: bool, packed: bool) -> None:
        """Take a part of a payload that this worker cannot read from the host's disk."""
        if packed:
            data = await asyncio.to_thread(zlib.decompress, data)
        folder = private_folder(self._folder / "payloads")
        part = folder / f"{digest}.part"
        with part.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(data)
        if last:
            part.replace(folder / digest)

    async def _start(self, specs: list[dict[str, Any]]) -> dict[str, Any]:
        """Execute runs of one submission, one after another; the same attempt only once."""
        if self._unfit(specs):
            return {"missing": []}
        missing = [d for d in specs[0]["payloads"] if self._payload(specs[0], d) is None]
        if not missing:
            new = [spec for spec in specs if (spec["id"], spec["attempt"]) not in self._seen]
            self._seen.extend((spec["id"], spec["attempt"]) for spec in new)
            self._preparing |= {spec["id"]: None for spec in new}
            self._spawn(self._execute_all(deque(new)))
        return {"missing": missing}

    def _unfit(self, specs: list[dict[str, Any]]) -> bool:
        """End runs that cannot work in this environment; of what only differs, tell the first."""
        client = specs[0].get("client") or environment()
        if wrong := refusal(client, environment(), self.worker.name):
            for spec in specs:
                self._outbox.put({**failed("exception", wrong), "run": spec["id"]})
            return True
        if client not in self._told and (odd := warning(client, environment(), self.worker.name)):
            event = {"type": "text", "stream": "stderr", "text": f"{odd}\n", "run": specs[0]["id"]}
            self._outbox.put(event)
        self._told.append(client)
        return False

    async def _execute_all(self, specs: deque[dict[str, Any]]) -> None:
        """Execute short runs in a row; if one turns out long, return those that wait behind it."""
        end = time.monotonic() + _ROW
        while specs and not self._devices.fault:
            spec = specs.popleft()
            run = self._spawn(self._execute(spec, last=not specs))
            if specs:
                await asyncio.wait({run}, timeout=max(0.0, end - time.monotonic()))
                if not run.done():
                    self._return(specs)
            await run
        self._return(specs)

    def _return(self, specs: deque[dict[str, Any]]) -> None:
        """Give runs back to the queue, the last first: each goes to its head."""
        while specs:
            waiting = specs.pop()
            self._seen.remove((waiting["id"], waiting["attempt"]))
            del self._preparing[waiting["id"]]
            self._outbox.put({"type": "returned", "run": waiting["id"]})

    async def _stop_run(self, run: str, reason: dict[str, str], force: bool) -> None:
        attempt = self._attempts.get(run)
        if attempt is not None:
            attempt.stop(reason, force)
        elif run in self._preparing:
            self._preparing[run] = reason

    async def _tell(self, run: str, message: dict[str, Any]) -> None:
        """Bring a message of the host to a run."""
        if run in self._attempts:
            await self._attempts[run].tell(message)

    def _lose_device(self, fault: str) -> None:
        """Take no more runs, since a device is lost, and end those that are here."""
        self._outbox.put({"type": "fault", "message": fault})
        self._spawn(self._close_down({"kind": "worker-lost", "message": while_running(fault)}))

    async def _close_down(self, reason: dict[str, str]) -> None:
        for run in self._preparing:
            self._preparing[run] = reason
        for attempt in self._attempts.values():
            attempt.stop(reason, force=True)
        for name in list(self._kept):
            self._kept_timers.pop(name).cancel()
            self._kept.pop(name).close()
        await self.worker.set_resources(**{SLOT: 0})
        end = time.monotonic() + _LAST_WORDS
        while self._attempts and time.monotonic() < end:
            await asyncio.sleep(0.05)
        for run in self._attempts:
            self._abandoned.add(run)
            self._outbox.put({**failed(**reason), "run": run})

    async def _settle(self) -> None:
        """Return when the processes of ended runs have left the devices."""
        if self._devices.names and self._leaving:
            await asyncio.wait(self._leaving)

    async def _execute(self, spec: dict[str, Any], last: bool) -> None:
        run, keep = spec["id"], spec["keep"]
        if replica := spec.get("replica"):
            own = meeting_place(self.worker, self._folder if self._shares_disk else None, spec)
            spec = {**spec, "replica": {**replica, **own}}
        spec = {
            **spec,
            "payload": [str(self._payload(spec, digest)) for digest in spec["payloads"]],
            "folder": str(self._run_folder(spec)),
        }
        spec = self._devices.fill(spec)
        try:
            process = await self.child(keep)
        except (ClusterError, OSError) as error:
            self._preparing.pop(run)
            end = failed("worker-lost", f"no process could be started for the run: {error}")
        else:
            attempt = self._attempts[run] = Attempt(
                *(spec, process, self._outbox, self._grace),
                spec.get("devices") or self._devices.names,
            )
            if (reason := self._preparing.pop(run)) is not None:
                attempt.stop(reason)
            kept = False
            try:
                end, kept = await attempt.run()
            finally:
                del self._attempts[run]
                if kept:
                    self._retain(keep, process)
                else:
                    leaving = asyncio.create_task(process.leave())
                    self._leaving.add(leaving)
                    leaving.add_done_callback(self._leaving.discard)
            if not self._shares_disk:
                await self._ship(run, Path(spec["folder"]))
        if run not in self._abandoned:
            self._outbox.put({**end, "run": run}, urgent=last)

    async def _ship(self, run: str, folder: Path) -> None:
        """Send the files that a run wrote to the host, which cannot read this disk."""
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = str(path.relative_to(folder))
            with path.open("rb") as file:
                offset = 0
                while data := file.read(PART):
                    await self._outbox.room()
                    event = {"type": "file", "run": run, "path": name, "offset": offset}
                    self._outbox.put({**event, "data": data}, len(data))
                    offset += len(data)
        shutil.rmtree(folder)

    async def _process(self, keep: str | None) -> Process:
        """Return a child that waits: the kept one of that name, the spare one, or a new one."""
        if keep is not None and keep in self._kept:
            self._kept_timers.pop(keep).cancel()
            process = self._kept.pop(keep)
            if not process.child.ended:
                return process
            process.close()
        if self._spare is None:
            self._prepare_spare()
        assert self._spare is not None
        spare, self._spare = self._spare, None
        try:
            process = await spare
        finally:
            self._prepare_spare()
        if process.child.ended:
            process.close()
            return await self._process(keep)
        return process

    def _prepare_spare(self) -> None:
        """Fork the next run's child ahead of it: the fork of a large process takes 10 ms."""
        self._spare = asyncio.create_task(self._fork())

    async def _fork(self) -> Process:
        for last in (False, True):
            if self._server is None:
                self._server = await connect_or_start(self._folder, self._preload)
            try:
                return await Process.fork(self._server, self._child_environment())
            except ClusterError:
                self._server.close()
                self._server = None
                if last:
                    raise
        raise AssertionError

    async def _kept_children(self, drop: list[int]) -> list[dict[str, Any]]:
        """Return the kept children that wait, and let go of those with these pids."""
        for keep, process in list(self._kept.items()):
            if process.child.pid in drop:
                self._kept_timers.pop(keep).cancel()
                self._kept.pop(keep).close()
        return [
            {"name": keep, "pid": process.child.pid, "machine": machine()}
            for keep, process in self._kept.items()
        ]

    def _retain(self, keep: str, process: Process) -> None:
        def drop() -> None:
            self._kept_timers.pop(keep, None)
            self._kept.pop(keep).close()

        loop = asyncio.get_running_loop()
        self._kept[keep] = process
        self._kept_timers[keep] = loop.call_later(self._keep_timeout, drop)

    def _child_environment(self) -> dict[str, str]:
        """Cap a run to its worker's share: its threads and its devices."""
        threads = str(max(1, self.worker.state.nthreads // self._devices.slots))
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        return {**dict.fromkeys(names, threads), **self._devices.environment()}

    def _own_folder(self) -> Path:
        if self._shares_disk:
            return Path(self._scratch)
        cluster = sha256(self._token.encode()).hexdigest()[:12]
        return private_folder(Path(tempfile.gettempdir()) / f"lepton-{os.getuid()}-{cluster}")

    def _reads_token(self) -> bool:
        with suppress(OSError):
            return (Path(self._scratch) / "token").read_text() == self._token
        return False

    def _payload(self, spec: dict[str, Any], digest: str) -> Path | None:
        here = Path(spec["payload_folder"]) if self._shares_disk else self._folder / "payloads"
        return path if (path := here / digest).exists() else None

    def _run_folder(self, spec: dict[str, Any]) -> Path:
        if self._shares_disk:
            return Path(spec["folder"])
        return private_folder(self._folder / "runs" / spec["id"])

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def occupy(lease: str) -> None:
    """Be the Dask task that holds one slot of a worker for runs."""
    plugin: RunWorker | None = get_worker().plugins.get(PLUGIN)
    if plugin is not None:  # it is taken away when its host stops
        await plugin.hold(lease)
