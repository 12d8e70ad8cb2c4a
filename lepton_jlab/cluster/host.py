"""The cluster host: a detached process that owns a Dask cluster and its connection file."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import psutil

from lepton_jlab.cluster import connection
from lepton_jlab.cluster.adapting import Adapting
from lepton_jlab.cluster.backend import RUN_METRICS, Backend, WorkerFacts
from lepton_jlab.cluster.channel import refusal
from lepton_jlab.cluster.devices import devices_of, fault_of
from lepton_jlab.cluster.engines.local import refuse_too_many
from lepton_jlab.cluster.links.service import Links
from lepton_jlab.cluster.plan import Plan
from lepton_jlab.config import private_folder, settings
from lepton_jlab.errors import ClusterError, LeptonError
from lepton_jlab.granted import granted

log = logging.getLogger("lepton.host")


class Service(Protocol):
    """What a room of Lepton runs inside the host; its module has ``attach(host) -> Service``."""

    async def start(self) -> None:
        """Begin, once the cluster runs."""

    def active(self) -> bool:
        """Tell whether there is work that keeps the host alive."""

    def demand(self) -> int:
        """Return how many workers its work would keep busy now."""

    def leave(self, workers: Collection[str]) -> None:
        """Give no more work to the workers at these addresses: they are about to be closed."""

    def held(self) -> set[str]:
        """Return the addresses of the workers that it holds, busy or about to be."""

    def occupants(self) -> dict[str, list[str]]:
        """Return what runs on which worker, by worker address; the first is the oldest."""

    async def close(self) -> None:
        """End what is running."""


class Host:
    """One cluster, from its start to its end."""

    backend: Backend

    def __init__(self, plan: Plan, tell: Callable[..., None]) -> None:
        self.plan = plan
        self.engine = plan.engine
        self.pid = os.getpid()
        self.created = psutil.Process().create_time()
        self.scratch = _scratch_folder(plan.name, self.pid)
        self.reserved: set[str] = set()  # workers whose next free slot is a kernel's
        self.ending = "was stopped"
        self._tell = tell
        self._stop = asyncio.Event()
        self._handlers: dict[str, Callable[..., Awaitable[Any]]] = {}
        self._services: list[Service] = []
        self._keeping: asyncio.Task[None] | None = None
        self.adapting = Adapting(self, plan.adapt)
        self._dashboard: asyncio.Task[None] | None = None
        for handler in (self.info, self.usage, self.scale, self.dashboard, self.stop):
            self.serve(handler.__name__, handler)
        self.links = Links(self)
        self._services.append(self.links)

    def serve(self, name: str, handler: Callable[..., Awaitable[Any]]) -> None:
        """Answer calls of ``lepton_<name>``; a LeptonError there reaches the caller as such.

        A handler whose first argument is called ``comm`` gets the connection itself.
        """

        @functools.wraps(handler)
        async def answer(*comm: Any, **arguments: Any) -> Any:
            try:
                return await handler(*comm, **arguments)
            except LeptonError as error:
                return refusal(error)

        self._handlers[f"lepton_{name}"] = answer

    async def run(self) -> None:
        """Start the cluster, serve until it is stopped or idle for too long, and end it."""
        starting = asyncio.current_task()
        assert starting is not None
        self._at_signal(starting.cancel)
        connection.claim(self.plan.name, self._file("starting"))
        try:
            private_folder(self.scratch)
            await self._start()
            self._at_signal(self._stop.set)
            await self._until_idle()
        finally:
            connection.remove(self.plan.name)
            await self._close()

    def _at_signal(self, do: Callable[[], object]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, do)

    async def _start(self) -> None:
        from lepton_jlab.cluster import engines

        for module in settings().services:
            self._services.append(import_module(module).attach(self))
        self._tell(progress="starting the scheduler and the workers")
        self.engine, self.backend = await engines.make(self.plan, self.scratch)
        control, security = await self.backend.listen(self._handlers)
        for service in self._services:
            await service.start()
        workers = len(await self.backend.workers())
        self._tell(progress=f"{workers} worker{'s' * (workers != 1)} ready")
        connection.write(
            self.plan.name,
            self._file(
                "running",
                engine=self.engine,
                address=self.backend.address,
                security=_client_keys(self.backend.security),
                control=control,
                control_security=_client_keys(security),
            ),
        )
        self._keeping = asyncio.create_task(self.adapting.keep())
        self._tell(ready=True)

    def _file(self, state: str, **more: Any) -> dict[str, Any]:
        return {
            "version": 1,
            "name": self.plan.name,
            "state": state,
            "pid": self.pid,
            "created": self.created,
            "idle_timeout": self.plan.idle_timeout,
            "scratch": str(self.scratch),
            "plan": asdict(self.plan),
            **more,
        }

    async def info(self) -> dict[str, Any]:
        """Describe the cluster as ``cluster info --json`` prints it."""
        occupants = self.occupants()
        return {
            "name": self.plan.name,
            "engine": self.engine,
            "address": self.backend.address,
            "workers": [
                {
                    "id": w.name,
                    "host": w.host,
                    "devices": self.devices(w),
                    "run": next(iter(occupants.get(w.address, ())), None),
                    "runs": occupants.get(w.address, []),
                    "slots": w.slots,
                    "fault": fault_of(w),
                    "threads": w.threads,
                    "memory": w.memory,
                }
                for w in sorted(await self.backend.workers(), key=_by_name)
            ],
            "host_pid": self.pid,
            "connection_file": str(connection.path_of(self.plan.name)),
            "idle_timeout": self.plan.idle_timeout,
            "wanted": self.backend.wanted,
            "adapt": self.adapting.span,
        }

    def occupants(self) -> dict[str, list[str]]:
        """Return what runs on which worker, by worker address."""
        found: dict[str, list[str]] = {}
        for service in self._services:
            for worker, what in service.occupants().items():
                found.setdefault(worker, []).extend(what)
        return found

    async def usage(self) -> dict[str, Any]:
        """Return what workers and runs use, by the workers' last heartbeats.

        ``workers`` by id: ``cpu`` (percent of a core, with its runs), ``memory`` ([used, limit] in
        bytes), ``run``, ``device``; ``runs`` by id: ``cpu``, ``memory``, ``pid`` and ``machine``;
        ``links``: places and what is known of the links between them.
        """
        workers: dict[str, Any] = {}
        runs: dict[str, Any] = {}
        for worker in sorted(await self.backend.workers(), key=_by_name):
            own = worker.metrics.get(RUN_METRICS) or {}
            runs |= own
            workers[worker.name] = {
                "cpu": worker.metrics.get("cpu", 0.0) + sum(run["cpu"] for run in own.values()),
                "memory": [
                    worker.metrics.get("memory", 0) + sum(run["memory"] for run in own.values()),
                    worker.memory,
                ],
                "run": next(iter(own), None),
                "runs": list(own),
                "device": self.devices(worker)[0],
            }
        return {"workers": workers, "runs": runs, "links": await self.links.document()}

    def devices(self, worker: WorkerFacts) -> list[str]:
        """Return the devices of a worker, as runs name them."""
        return devices_of(worker, self.engine)

    async def scale(self, workers: int | Sequence[int], force: bool = False) -> dict[str, Any]:
        """Change the number of workers; without `force` only while no run would be ended by it.

        Two numbers are the fewest and the most between which it follows the runs from now on.
        """
        if self.engine == "local":
            refuse_too_many(workers if isinstance(workers, int) else workers[1], granted())
        if not isinstance(workers, int):
            await self.adapting.between(workers[0], workers[1])
            return await self.info()
        busy = self.occupants()
        if workers < len(busy) and not force:
            runs = sorted({run for occupants in busy.values() for run in occupants})
            raise ClusterError(
                f"Scaling {self.plan.name!r} to {workers} would end {len(busy) - workers} of the "
                f"running {', '.join(runs)}. Wait, cancel them, or add --force."
            ).unless_forced()
        self.adapting.span = None
        await self.resize(workers)
        return await self.info()

    async def resize(self, workers: int) -> None:
        """Have so many workers; those without runs go first, and get none from then on."""
        runs = self.occupants()
        held = {worker for service in self._services for worker in service.held()} - runs.keys()

        def leaving(addresses: Collection[str]) -> None:
            for service in self._services:
                service.leave(addresses)

        await self.backend.scale(workers, [*held, *runs], leaving)

    async def demand(self) -> int:
        """Return how many workers runs and Dask's own tasks would keep busy now."""
        runs = sum(service.demand() for service in self._services)
        return max(runs, await self.backend.demand())

    async def dashboard(self) -> str:
        """Return the socket file that Dask's dashboard answers on; the first call opens it."""
        socket = self.scratch / "dash.sock"
        if self._dashboard is None or (self._dashboard.done() and self._dashboard.exception()):
            self._dashboard = asyncio.create_task(self.backend.open_dashboard(socket))
        await asyncio.shield(self._dashboard)
        return str(socket)

    async def stop(self, force: bool = False) -> None:
        """End the cluster; without `force` only while nothing is running or queued."""
        there = [what for all_ in self.occupants().values() for what in all_]
        kernels = [what for what in there if what.startswith("kernel")]
        if not force and kernels:
            raise ClusterError(
                f"On cluster {self.plan.name!r} lives the {' and the '.join(kernels)}. Shut it "
                "down in Jupyter, or add --force to end it with the cluster."
            ).unless_forced()
        if not force and any(service.active() for service in self._services):
            raise ClusterError(
                f"Cluster {self.plan.name!r} has runs that have not ended (%lepton runs list). "
                "Wait for them, cancel them, or add --force to end them with the cluster."
            ).unless_forced()
        asyncio.get_running_loop().call_later(0.01, self._stop.set)

    async def _until_idle(self) -> None:
        last_active = time.monotonic()
        while not self._stop.is_set():
            if any(service.active() for service in self._services) or await self.backend.busy():
                last_active = time.monotonic()
            rest = self.plan.idle_timeout - (time.monotonic() - last_active)
            if rest <= 0:
                log.info("idle for %g s: stopping", self.plan.idle_timeout)
                self.ending = f"stopped itself after {self.plan.idle_timeout:g} s without use"
                return
            try:
                await asyncio.wait_for(self._stop.wait(), min(rest, 1.0))
            except TimeoutError:
                continue

    async def _close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        for service in self._services:
            await service.close()
        if hasattr(self, "backend"):
            try:
                await self.backend.close()
            except (TimeoutError, OSError):
                log.exception("the cluster did not close in time")
        shutil.rmtree(self.scratch, ignore_errors=True)


def _by_name(worker: WorkerFacts) -> tuple[int, str]:
    return (len(worker.name), worker.name)  # 2 before 10


def _scratch_folder(name: str, pid: int) -> Path:
    # Short, because a Unix socket in it may have 107 characters at most.
    return Path(tempfile.gettempdir()) / f"lepton-{os.getuid()}-{name[:16]}-{pid}"


def _client_keys(security: Any) -> dict[str, str]:
    keys = {
        "ca": security.tls_ca_file,
        "cert": security.tls_client_cert,
        "key": security.tls_client_key,
    }
    return {name: str(key) for name, key in keys.items()} if all(keys.values()) else {}


def main() -> None:
    """Read a plan from standard input; report on the descriptor given, one JSON line each."""
    os.umask(0o077)
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s", level="INFO")
    for noisy in ("distributed", "asyncssh", "httpx"):
        logging.getLogger(noisy).setLevel("WARNING")
    plan = Plan.from_document(json.load(sys.stdin))
    report = os.fdopen(int(sys.argv[1]), "w", buffering=1)
    os.set_inheritable(report.fileno(), False)

    def tell(**line: Any) -> None:
        # Who started us may be gone; the cluster lives on.
        with contextlib.suppress(OSError, ValueError):
            report.write(json.dumps(line) + "\n")
            if "ready" in line:
                report.close()

    try:
        asyncio.run(Host(plan, tell).run())
    except LeptonError as error:
        tell(error=str(error), kind=type(error).__name__)
        raise SystemExit(1) from None
    except asyncio.CancelledError:  # ended while it was starting
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
