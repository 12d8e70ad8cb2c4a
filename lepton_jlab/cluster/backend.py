"""What a host asks of Dask: the same few calls for a cluster of its own and for an adopted one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lepton_jlab.cluster.dashboard import open_dashboard
from lepton_jlab.errors import ClusterError, LeptonError

KERNEL_TASK = "lepton-kernel-"  # begins the keys of tasks that hold a slot for a kernel
RUN_METRICS = "lepton_runs"  # what workers add to their heartbeats
SLOT = "slot"  # the resource that a run takes of its worker

Handlers = dict[str, Callable[..., Any]]
Leaving = Callable[[Collection[str]], None]


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """A worker as the scheduler knows it.

    Memory is in bytes, 0 for no limit; `metrics` are those of its last heartbeat; `slots` is how
    many runs it takes at once.
    """

    address: str
    name: str
    host: str
    threads: int
    memory: int
    metrics: Mapping[str, Any] = field(default_factory=dict)
    slots: int = 1


class Backend(Protocol):
    """A running Dask cluster, its client, and a place for the host's handlers."""

    client: Any
    address: str
    security: Any

    @property
    def wanted(self) -> int:
        """How many workers there are to be; some of them may not be here yet."""

    async def listen(self, handlers: Handlers) -> tuple[str, Any]:
        """Serve `handlers`; return the address they answer at and its `Security`."""

    async def call(self, worker: str, handler: str, **arguments: Any) -> Any:
        """Call a handler of one worker."""

    async def workers(self) -> list[WorkerFacts]:
        """Return the workers that the scheduler knows now."""

    async def busy(self) -> bool:
        """Tell whether any Dask task is being processed."""

    async def demand(self) -> int:
        """Return how many workers Dask's tasks would keep busy."""

    async def scale(self, workers: int, busy: Sequence[str], leaving: Leaving) -> None:
        """Have so many workers; of too many, those in `busy` go last, its end at the very last.

        `leaving` is told the addresses of those that go, before they do.
        """

    async def mend(self) -> None:
        """Start workers anew that have gone by themselves, if their engine does not."""

    async def open_dashboard(self, socket: Path) -> None:
        """Serve Dask's dashboard on a socket file."""

    async def close(self) -> None:
        """End the cluster, or let go of an adopted one."""


class OwnBackend:
    """A Dask cluster whose scheduler lives in this process."""

    def __init__(self, cluster: Any, security: Any) -> None:
        self.cluster = cluster
        self.scheduler = cluster.scheduler
        self.security = security
        self.address: str = cluster.scheduler.address
        self.client: Any = None

    async def listen(self, handlers: Handlers) -> tuple[str, Any]:
        from distributed import Client

        # Nothing listens here without authentication: Dask's plain HTTP pages are shut.
        self.scheduler.http_server.stop()
        self.scheduler.handlers.update(handlers)
        self.client = await Client(self.cluster, asynchronous=True)
        return self.address, self.security

    async def call(self, worker: str, handler: str, **arguments: Any) -> Any:
        return await getattr(self.scheduler.rpc(worker), handler)(**arguments)

    async def workers(self) -> list[WorkerFacts]:
        return [
            WorkerFacts(
                *(w.address, str(w.name), w.host, w.nthreads, w.memory_limit or 0, w.metrics),
                slots=int(w.resources.get(SLOT, 1)),
            )
            for w in self.scheduler.workers.values()
        ]

    async def busy(self) -> bool:
        return _works(task.key for w in self.scheduler.workers.values() for task in w.processing)

    @property
    def wanted(self) -> int:
        return len(self.cluster.worker_spec)

    async def demand(self) -> int:
        return int(self.scheduler.adaptive_target())

    async def scale(self, workers: int, busy: Sequence[str], leaving: Leaving) -> None:
        names = list(reversed(self.cluster.worker_spec))
        if workers < len(names):  # Dask itself would take the newest ones
            addresses = {w.name: w.address for w in self.scheduler.workers.values()}
            # First those that have not come yet, then those without runs.
            rank = {address: place for place, address in enumerate(busy)}
            names.sort(key=lambda name: (rank.get(addresses.get(name, ""), -1), name in addresses))
            gone = names[: len(names) - workers]
            leaving([addresses[name] for name in gone if name in addresses])
            await self.cluster.scale_down(gone)
            return
        before = set(names)
        try:
            self.cluster.scale(workers)
            await self.cluster
        except ValueError as error:
            raise ClusterError(f"Cannot scale to {workers} workers: {error}") from error
        except LeptonError:  # a worker that cannot be started is not awaited for ever
            for name in self._failed() - before:
                del self.cluster.worker_spec[name]
            raise

    async def mend(self) -> None:
        self._failed()
        if set(self.cluster.worker_spec) - set(self.cluster.workers):
            self.cluster.scale(self.wanted)
            await self.cluster

    def _failed(self) -> set[Any]:
        """Forget the workers that did not start, and return their names."""
        workers = self.cluster.workers
        failed = {name for name, worker in workers.items() if worker.status.name == "failed"}
        for name in failed:
            del workers[name]
        return failed

    async def open_dashboard(self, socket: Path) -> None:
        await open_dashboard(self.scheduler, socket)

    async def close(self) -> None:
        if self.client is not None:
            await self.client.close()
        await asyncio.wait_for(self.cluster.close(), 15)


class AdoptedBackend:
    """Somebody else's scheduler: it takes no handlers, so this process answers for itself."""

    def __init__(self, client: Any, security: Any) -> None:
        self.client = client
        self.security = security
        self.address: str = client.scheduler.address
        self._server: Any = None
        self._count = 0

    async def listen(self, handlers: Handlers) -> tuple[str, Any]:
        from distributed import Security
        from distributed.core import Server

        own = Security.temporary()
        self._server = Server(handlers, connection_args=own.get_connection_args("scheduler"))
        await self._server.listen("tls://127.0.0.1:0", **own.get_listen_args("scheduler"))
        return self._server.address, own

    async def call(self, worker: str, handler: str, **arguments: Any) -> Any:
        # Through the scheduler: its workers need not be reachable from here.
        return await self.client.scheduler.proxy(msg={"op": handler, **arguments}, worker=worker)

    async def workers(self) -> list[WorkerFacts]:
        identity = await self.client.scheduler.identity(n_workers=-1)
        self._count = len(identity["workers"])
        return [
            WorkerFacts(
                *(address, str(w["name"]), w["host"], int(w["nthreads"])),
                *(int(w["memory_limit"] or 0), w.get("metrics", {})),
                slots=int(w.get("resources", {}).get(SLOT, 1)),
            )
            for address, w in identity["workers"].items()
        ]

    async def busy(self) -> bool:
        processing = await self.client.scheduler.processing()
        return _works(key for keys in processing.values() for key in keys)

    @property
    def wanted(self) -> int:
        return self._count

    async def demand(self) -> int:
        return int(await self.client.scheduler.adaptive_target())

    async def mend(self) -> None:
        return

    async def scale(self, workers: int, busy: Sequence[str], leaving: Leaving) -> None:  # noqa: ARG002
        raise ClusterError(
            f"{self.address} is somebody else's cluster: scale to {workers} workers where it was "
            "started."
        )

    async def open_dashboard(self, socket: Path) -> None:  # noqa: ARG002
        raise ClusterError(f"{self.address} is somebody else's cluster: see its own dashboard.")

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()
        await self.client.close()


def _works(keys: Iterable[Any]) -> bool:
    """Tell whether any of these tasks does something; one that holds a kernel's slot waits."""
    return any(not str(key).startswith(KERNEL_TASK) for key in keys)
