"""The host's side of kernels: seats on workers, the relay to them, and why they ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lepton_jlab.cluster.backend import KERNEL_TASK, SLOT, WorkerFacts
from lepton_jlab.cluster.host import Host
from lepton_jlab.config import settings
from lepton_jlab.errors import ClusterError, LeptonError, NotFoundError, suggestion
from lepton_jlab.kernels import specs
from lepton_jlab.kernels.deaths import Watch
from lepton_jlab.kernels.worker import PLUGIN, KernelWorker, occupy

log = logging.getLogger("lepton.kernels")

_LOOK = 0.1  # seconds between two looks for a free worker
_LEAST = 5.0  # seconds for a worker to answer
_FRESH = 2.0  # seconds for which a message counts as use; the host looks once a second
_FIRST = 10  # priority of a kernel's task: a person waits for it, the queue's runs wait anyway


def attach(host: Host) -> KernelService:
    """Add kernels to a cluster host."""
    service = KernelService(host)
    host.serve("kernel", service.attend)
    host.serve("offer_kernel", service.offer)
    return service


@dataclass(slots=True, eq=False)
class Seat:
    """A slot that a notebook's kernel has on a worker."""

    name: str
    label: str
    worker: WorkerFacts
    task: Any  # the Dask future that holds the slot
    comm: Any  # to the worker
    watch: Watch
    here: asyncio.Event = field(default_factory=asyncio.Event)  # set: so is `notebook`
    notebook: Any = None  # its connection, while there is one
    gone: Any = None  # the last one that broke
    life: asyncio.Task[None] | None = None
    up: bool = False  # whether there has been a kernel
    busy: bool = False
    used: float = 0.0


class KernelService:
    """Gives notebooks seats on workers and carries what they and their kernels say."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._seats: dict[str, Seat] = {}
        self._coming: set[str] = set()  # workers on which a kernel is about to sit
        self._waiting = 0  # kernels that have no worker yet
        self._installed = False

    async def start(self) -> None:
        """Install the worker side."""
        await self._host.backend.client.register_plugin(KernelWorker())
        self._installed = True
        if settings().kernel_for_each_cluster:
            with suppress(ClusterError):  # it takes none
                await self.offer()

    def active(self) -> bool:
        """Tell whether a kernel starts, executes a cell, or was asked something just now."""
        recent = time.monotonic() - _FRESH
        used = (not seat.up or seat.busy or seat.used > recent for seat in self._seats.values())
        return bool(self._waiting or self._coming) or any(used)

    def demand(self) -> int:
        """Return how many workers its kernels need."""
        return len(self.held()) + self._waiting

    def leave(self, workers: Collection[str]) -> None:
        """Take no notice of workers that go: those that it holds go last."""

    def held(self) -> set[str]:
        """Return the workers that have a kernel, or are about to."""
        return self._coming | self.occupants().keys()

    def occupants(self) -> dict[str, list[str]]:
        """Return the notebook of the kernel on each worker that has one."""
        found: dict[str, list[str]] = {}
        for seat in self._seats.values():
            found.setdefault(seat.worker.address, []).append(f"kernel of {seat.label}")
        return found

    async def close(self) -> None:
        """End all kernels with the cluster, and say so."""
        specs.withdraw_all(self._host.plan.name)
        reason = f"cluster {self._host.plan.name!r} {self._host.ending}"
        for seat in list(self._seats.values()):
            await self._end(seat, reason, final=True)
        if self._installed:
            client = self._host.backend.client
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(client.unregister_worker_plugin(PLUGIN), 5)

    async def offer(self, worker: str | None = None, remove: bool = False) -> list[dict[str, str]]:
        """Add a kernel of this cluster to Jupyter's launcher, or remove it; return those there."""
        name = self._host.plan.name
        self._refuse_plain()
        if remove:
            specs.withdraw(name, worker)
            return specs.offered(name)
        workers = await self._known(worker)
        about = "any worker" if worker is None else f"worker {worker}"
        devices = sorted({d for w in workers for d in self._host.devices(w)}) or ["cpu"]
        kind = devices[0] if worker is not None else devices[0].partition(":")[0]
        specs.offer(name, worker, f"{about}, {kind}", (self._host.pid, self._host.created))
        return specs.offered(name)

    async def attend(
        self, comm: Any, seat: str, worker: str | None, label: str, again: bool
    ) -> None:
        """Carry what one notebook and its kernel say, as long as both are there."""
        try:
            if again:
                taken = self._taken(seat, label)
            else:
                taken = await self._take(seat, worker, label)
        except Exception as error:  # whatever it is, the notebook waits for an answer
            if not isinstance(error, LeptonError):
                log.exception("no seat for the kernel of %s", label)
            with suppress(OSError):
                await comm.write({"type": "refused", "reason": str(error) or repr(error)})
            return
        try:
            await comm.write({"type": "seat", "where": self._where(taken.worker)})
            if again:
                await taken.comm.write({"type": "again"})
            taken.notebook = comm
            taken.here.set()
            while True:
                message = await comm.read()
                if message.get("channel") == "shell":  # not the heartbeat's
                    taken.used = time.monotonic()
                if message.get("type") == "busy":
                    taken.busy = message["busy"]
                    continue
                await taken.comm.write(message)
                if message.get("type") == "leave":
                    await self._end(taken)
                    return
        except OSError:
            pass
        await self._await_return(taken, comm)

    async def _await_return(self, seat: Seat, gone: Any) -> None:
        """Keep a kernel whose notebook's connection broke for a while, then end it."""
        if seat.notebook not in (None, gone):
            return
        seat.notebook, seat.busy, seat.gone = None, False, gone
        seat.here.clear()
        await asyncio.sleep(settings().kernel_patience)
        if seat.gone is gone and seat.name in self._seats:
            log.info("nobody has come back for the kernel of %s", seat.label)
            await self._end(seat)

    async def _carry_back(self, seat: Seat) -> None:
        """Carry what the kernel says to its notebook; when the worker ends, say how."""
        with suppress(OSError):
            while True:
                message = await seat.comm.read()
                if message.get("type") == "up":
                    seat.up, seat.used = True, time.monotonic()
                await seat.here.wait()
                with suppress(OSError):
                    await seat.notebook.write(message)
        if seat.name in self._seats:
            how = await seat.watch.describe()
            await self._end(seat, f"{self._where(seat.worker)} {how}")

    async def _end(self, seat: Seat, reason: str = "", final: bool = False) -> None:
        if self._seats.pop(seat.name, None) is None:
            return
        if reason and seat.notebook is not None:
            with suppress(OSError):
                await seat.notebook.write({"type": "lost", "reason": reason, "final": final})
        with suppress(OSError):
            await seat.comm.close()
        seat.watch.close()
        with suppress(OSError, asyncio.CancelledError):
            await seat.task.cancel()

    def _taken(self, name: str, label: str) -> Seat:
        """Return the seat that a notebook has already."""
        try:
            return self._seats[name]
        except KeyError:
            raise ClusterError(f"The kernel of {label} has ended meanwhile.") from None

    async def _take(self, name: str, worker: str | None, label: str) -> Seat:
        """Get a slot for a kernel.

        Raises
        ------
        ClusterError
            None became free in time; it says what runs there.
        """
        self._refuse_plain()
        end = time.monotonic() + settings().kernel_start_timeout
        facts = await self._await_free(worker, end)
        self._coming.add(facts.address)
        self._host.reserved.add(facts.address)  # runs leave its next free slot alone
        try:
            return await self._sit(name, label, facts, end)
        finally:
            self._coming.discard(facts.address)
            self._host.reserved.discard(facts.address)

    async def _await_free(self, worker: str | None, end: float) -> WorkerFacts:
        """Return the emptiest worker that has a free slot, as soon as one has."""
        reserved: set[str] = set()
        self._waiting += 1
        try:
            while not (free := await self._free(worker, reserved)):
                if time.monotonic() > end:
                    raise self._no_seat(await self._known(worker))
                self._host.reserved |= reserved
                await asyncio.sleep(_LOOK)
            return free[0]
        finally:
            self._waiting -= 1
            self._host.reserved -= reserved

    async def _free(self, worker: str | None, reserved: set[str]) -> list[WorkerFacts]:
        """Return the workers with a free slot, the emptiest first; note all that would do."""
        known = await self._known(worker)
        reserved |= {facts.address for facts in known}
        occupants = self._host.occupants()
        used = {
            facts.address: len(occupants.get(facts.address, ())) + (facts.address in self._coming)
            for facts in known
        }
        free = [facts for facts in known if used[facts.address] < facts.slots]
        return sorted(free, key=lambda facts: used[facts.address])

    async def _sit(self, name: str, label: str, facts: WorkerFacts, end: float) -> Seat:
        """Take the slot of one worker, as soon as it is free."""
        task = None
        there = None
        try:
            there = await self._reach(facts, name, end)
            backend = self._host.backend
            task = backend.client.submit(
                occupy,
                name,
                key=f"{KERNEL_TASK}{name}",
                resources={SLOT: 1},
                workers=[facts.address],
                priority=_FIRST,
                pure=False,
            )
            await asyncio.wait_for(there.read(), max(_LEAST, end - time.monotonic()))
        except BaseException as error:
            if there is not None:
                there.abort()
            if task is not None:
                await task.cancel()
            if isinstance(error, TimeoutError):
                raise self._no_seat([facts]) from None
            if isinstance(error, OSError):
                raise ClusterError(
                    f"{self._where(facts).capitalize()} cannot be reached from its host ({error})."
                ) from error
            raise
        seat = Seat(name, label, facts, task, there, Watch(backend.client, facts.address))
        seat.used = time.monotonic()
        seat.life = asyncio.create_task(self._carry_back(seat))
        self._seats[name] = seat
        return seat

    async def _reach(self, facts: WorkerFacts, seat: str, end: float) -> Any:
        """Open the connection to a seat; a worker that has just come has no handler for it yet."""
        from distributed.comm import connect

        arguments = self._host.backend.security.get_connection_args("client")
        while True:
            comm = await connect(facts.address, timeout=10, **arguments)
            await comm.write({"op": "lepton_kernel", "seat": seat})
            if await comm.read() is not None:
                return comm
            await comm.close()
            if time.monotonic() > end:
                raise TimeoutError
            await asyncio.sleep(_LOOK)

    async def _known(self, worker: str | None) -> list[WorkerFacts]:
        """Return all workers, or the one that is meant.

        Raises
        ------
        NotFoundError
            There is none of that name.
        """
        workers = await self._host.backend.workers()
        found = [facts for facts in workers if worker in (None, facts.name, facts.address)]
        if worker is not None and not found:
            names = sorted(facts.name for facts in workers)
            raise NotFoundError(
                f"Cluster {self._host.plan.name!r} has no worker {worker!r}."
                f"{suggestion(worker, names)} There are: {', '.join(names) or 'none'}."
            )
        return found

    def _refuse_plain(self) -> None:
        if self._host.backend.address.startswith("tcp://"):
            raise ClusterError(
                f"Cluster {self._host.plan.name!r} takes no kernels: its scheduler, "
                f"{self._host.backend.address}, speaks without encryption, so others could read "
                "and sign a notebook's messages. Start it with tls://."
            )

    def _no_seat(self, known: list[WorkerFacts]) -> ClusterError:
        busy = self._host.occupants()
        ends = ["a run that ends"]
        what = "; ".join(f"{w.name} has {', '.join(busy.get(w.address, ends))}" for w in known)
        return ClusterError(
            f"No worker of cluster {self._host.plan.name!r} was free for a kernel in "
            f"{settings().kernel_start_timeout:g} s: {what or 'it has none'}. Wait or cancel, or "
            f"give it more: %lepton cluster scale {len(busy) + 1}"
        )

    def _where(self, facts: WorkerFacts) -> str:
        return f"worker {facts.name} of cluster {self._host.plan.name!r}"
