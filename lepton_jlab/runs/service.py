"""The host's side of runs: the queue, the slots it has leased from Dask, and what workers report.

A slot is leased by a small Dask task that holds the resource ``slot``: so Dask chooses the workers
by their load, its own tasks and runs do not crowd each other, and adaptive scaling sees the demand.
Runs then go to a leased slot by a direct call, which takes 0.5 ms where a task takes 10.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lepton_jlab.cluster.backend import WorkerFacts
from lepton_jlab.cluster.host import Host
from lepton_jlab.config import settings
from lepton_jlab.errors import ClusterError
from lepton_jlab.runs import records
from lepton_jlab.runs.changes import Changes
from lepton_jlab.runs.journal import Entry, Journal, new_entry
from lepton_jlab.runs.worker import PART, PLUGIN, SLOT, RunWorker, occupy

log = logging.getLogger("lepton.runs")

_LOOK = 0.5  # seconds between two looks at which workers there are


@dataclass(slots=True, eq=False)
class Lease:
    """A slot: `worker` is None until Dask has found one, `entry` None while it waits for a run."""

    worker: str | None = None
    entry: Entry | None = None
    idle: asyncio.TimerHandle | None = None


def attach(host: Host) -> RunService:
    """Add runs to a cluster host."""
    service = RunService(host)
    host.serve("submit", service.submit)
    host.serve("cancel", service.cancel)
    host.serve("changes", service.changes.since)
    host.serve("ended", service.ended)
    return service


class RunService:
    """Takes submissions, hands runs to workers in order, and keeps their records."""

    def __init__(self, host: Host) -> None:
        self.changes = Changes()
        self._host = host
        self._queue: deque[Entry] = deque()
        self._entries: dict[str, Entry] = {}
        self._leases: dict[str, Lease] = {}
        self._polls: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._workers: dict[str, WorkerFacts] = {}
        self._journal = Journal(self.changes)
        self._someone_ended = asyncio.Event()
        self._installed = False

    async def start(self) -> None:
        """Install the worker side."""
        token = secrets.token_hex(16)
        (self._host.scratch / "token").write_text(token)
        chosen = settings()
        plugin = RunWorker(
            str(self._host.scratch), token, chosen.preload, chosen.grace, chosen.keep_timeout
        )
        try:
            await self._host.backend.client.register_plugin(plugin)
        except ImportError as error:
            raise ClusterError(
                f"The workers of {self._host.backend.address} cannot import Lepton ({error}). "
                "Install lepton_jlab in their environment."
            ) from error
        self._installed = True
        records.prune_payloads()
        await self._look_at_workers()
        self._spawn(self._keep_looking())

    def active(self) -> bool:
        """Tell whether a run is queued or running."""
        return bool(self._entries)

    def occupants(self) -> dict[str, str]:
        """Return the id of the run on each worker that has one."""
        return {
            lease.worker: f"r{lease.entry.number}"
            for lease in self._leases.values()
            if lease.worker is not None and lease.entry is not None
        }

    async def submit(
        self, submission: dict[str, Any], params: list[dict[str, Any]], spec: dict[str, Any]
    ) -> dict[str, Any]:
        """Record and queue one run for each set of parameters.

        Parameters
        ----------
        submission : dict
            ``name``, ``sweep``, ``code``, ``options``, ``brought``.
        params : list of dict
            The variables of each run.
        spec : dict
            What a child needs besides, the same for all.
        """
        host = {
            "cluster": self._host.plan.name,
            "host_pid": self._host.pid,
            "host_created": self._host.created,
        }
        number, ids = records.add({**submission, **host}, params)
        memory = spec["memory"] or self._host.plan.memory
        for run, values in zip(ids, params, strict=True):
            own = {
                **spec,
                "id": f"r{run}",
                "params": values,
                "filename": spec["filename"] or f"run r{run}",
                "memory": memory,
                "folder": str(records.folder(run)),
                "payload_folder": str(records.payload_folder()),
            }
            entry = new_entry(run, own, spec["retries"])
            self._entries[own["id"]] = entry
            self._queue.append(entry)
        self.changes.note(f"r{run}" for run in ids)
        self._pump()
        return {"submission": number, "runs": ids}

    async def cancel(self, runs: list[str], force: bool = False) -> None:
        """Take queued runs out of the queue, and interrupt running ones."""
        for run in runs:
            entry = self._entries.get(run)
            if entry is None:
                continue
            entry.cancelled = True
            lease = self._lease_of(entry)
            if lease is None:
                self._queue.remove(entry)
                self._finish(entry, "cancelled")
            elif lease.worker is not None:
                self._spawn(self._stop(lease.worker, run, force))

    async def ended(self, runs: list[str], patience: float) -> bool:
        """Tell whether all of `runs` have ended, waiting up to `patience` seconds for it."""
        end = time.monotonic() + patience
        while any(run in self._entries for run in runs):
            left = end - time.monotonic()
            if left <= 0:
                return False
            with suppress(TimeoutError):
                await asyncio.wait_for(self._someone_ended.wait(), left)
        return True

    async def close(self) -> None:
        """End all runs with the cluster."""
        for task in (*self._polls.values(), *self._tasks):
            task.cancel()
        for entry in list(self._entries.values()):
            self._finish(entry, "cancelled")
        self._queue.clear()
        self._leases.clear()
        self._journal.flush()
        if self._installed:  # an adopted cluster lives on, without what was added
            client = self._host.backend.client
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(client.unregister_worker_plugin(PLUGIN), 5)

    def _pump(self) -> None:
        """Hand queued runs to free slots, and lease more slots while runs wait."""
        for lease in self._leases.values():
            if self._queue and lease.worker is not None and lease.entry is None:
                self._dispatch(lease, self._queue.popleft())
        slots = max(1, len(self._workers))
        open_leases = sum(lease.entry is None for lease in self._leases.values())
        for _ in range(min(len(self._queue) - open_leases, slots - len(self._leases))):
            name = secrets.token_hex(8)
            self._leases[name] = Lease()
            self._spawn(self._hold(name))

    async def _hold(self, name: str) -> None:
        """Have Dask hold a slot somewhere, until it is released or lost."""
        client = self._host.backend.client
        try:
            await client.submit(
                occupy, name, key=f"lepton-slot-{name}", resources={SLOT: 1}, pure=False
            )
        except Exception as error:  # noqa: BLE001 (KilledWorker, cancellation, a closing client)
            log.warning("a slot was lost: %r", error)
        finally:
            lease = self._leases.pop(name, None)
            if lease is not None and lease.worker is not None:
                self._lose(lease, lease.worker)
            if self._queue:
                await self._look_at_workers()
                self._pump()

    def _opened(self, name: str, worker: str) -> None:
        lease = self._leases.get(name)
        if lease is not None:
            lease.worker = worker
            self._pump()
            self._rest(name, lease)

    def _rest(self, name: str, lease: Lease) -> None:
        """Give an unused slot back to Dask after a while."""
        if lease.idle is not None:
            lease.idle.cancel()
            lease.idle = None
        if lease.entry is None and lease.worker is not None:
            lease.idle = asyncio.get_running_loop().call_later(
                settings().linger, self._release, name, lease
            )

    def _release(self, name: str, lease: Lease) -> None:
        if lease.entry is None and lease.worker is not None:
            worker, lease.worker = lease.worker, None  # takes no run from here on
            self._spawn(self._call(worker, "release", lease=name))

    def _dispatch(self, lease: Lease, entry: Entry) -> None:
        lease.entry = entry
        assert lease.worker is not None
        facts = self._workers.get(lease.worker)
        devices = self._host.devices(facts) if facts is not None else []
        self._journal.begin(entry, facts.name if facts is not None else lease.worker, devices)
        self._spawn(self._start(lease.worker, entry))

    async def _start(self, worker: str, entry: Entry) -> None:
        spec = {**entry.spec, "attempt": entry.attempt}
        try:
            answer = await self._host.backend.call(worker, "lepton_start", spec=spec)
            if missing := answer.get("missing"):
                for digest in missing:
                    await self._send(worker, digest)
                await self._host.backend.call(worker, "lepton_start", spec=spec)
        except (OSError, KeyError) as error:
            log.warning("r%d could not be started on %s: %r", entry.number, worker, error)
            self._lost_worker(worker)
        else:
            if entry.cancelled:  # meanwhile, and the worker may not have known the run
                await self._stop(worker, entry.spec["id"])

    async def _stop(self, worker: str, run: str, force: bool = False) -> None:
        reason = {"kind": "cancel", "message": "cancelled"}
        await self._call(worker, "stop_run", run=run, reason=reason, force=force)

    async def _send(self, worker: str, digest: str) -> None:
        """Bring a payload to a worker that does not share this disk: once, whatever needs it."""
        path = records.payload_folder() / digest
        size = path.stat().st_size
        with path.open("rb") as file:
            offset = 0
            while data := file.read(PART):
                last = offset + len(data) >= size
                part = {"digest": digest, "offset": offset, "data": data, "last": last}
                await self._host.backend.call(worker, "lepton_put", **part)
                offset += len(data)

    async def _poll(self, worker: str) -> None:
        """Take what `worker` reports, as long as the scheduler knows it."""
        number = 0
        while worker in self._workers:
            try:
                answer = await self._host.backend.call(worker, "lepton_events", acknowledged=number)
            except (OSError, KeyError, AttributeError):
                break
            if answer is None:  # it has just come, and has no such handler yet
                await asyncio.sleep(_LOOK)
            elif answer["number"] != number:
                number = answer["number"]
                self._take(worker, answer["events"])
        self._lost_worker(worker)

    def _take(self, worker: str, events: list[dict[str, Any]]) -> None:
        ends = []
        for event in events:
            if event["type"] == "slot":
                self._opened(event["lease"], worker)
            elif (entry := self._entries.get(event["run"])) is not None:
                if event["type"] == "end":
                    ends.append((entry, event))
                else:
                    self._journal.take(entry, event)
        self._journal.write_output()
        for entry, event in ends:
            self._ended(entry, event)

    def _ended(self, entry: Entry, end: dict[str, Any]) -> None:
        for name, lease in self._leases.items():
            if lease.entry is entry:
                lease.entry = None
                self._rest(name, lease)
        if end["state"] == "failed" and entry.attempt <= entry.retries and not entry.cancelled:
            self._retry(entry, end["error"])
        else:
            self._journal.end(entry, end)
            self._forget(entry)
        self._pump()

    def _retry(self, entry: Entry, error: dict[str, Any]) -> None:
        entry.attempt += 1
        self._journal.retry(entry, error)
        entry.queued = time.time()
        self._queue.appendleft(entry)

    def _finish(self, entry: Entry, state: str, error: dict[str, Any] | None = None) -> None:
        self._journal.finish(entry, state, error)
        self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        self._entries.pop(entry.spec["id"], None)
        self._someone_ended.set()  # a new one, since one who waits may not have begun to
        self._someone_ended = asyncio.Event()

    def _lost_worker(self, worker: str) -> None:
        """Settle what ran on a worker that is gone."""
        self._workers.pop(worker, None)
        poll = self._polls.pop(worker, None)
        if poll is not None and poll is not asyncio.current_task():
            poll.cancel()
        for lease in self._leases.values():
            if lease.worker == worker:
                lease.worker = None  # Dask holds the slot again on another worker
                self._lose(lease, worker)
        self._pump()

    def _lose(self, lease: Lease, worker: str) -> None:
        entry, lease.entry = lease.entry, None
        if entry is not None:
            message = f"the worker {worker} died while it ran this"
            error = {"kind": "worker-lost", "message": message}
            if entry.attempt <= entry.retries and not entry.cancelled:
                self._retry(entry, error)
            else:
                self._finish(entry, "cancelled" if entry.cancelled else "lost", error)

    async def _look_at_workers(self) -> None:
        """Learn which workers there are, and listen to each."""
        self._workers = {w.address: w for w in await self._host.backend.workers()}
        for worker in self._workers:
            if worker not in self._polls:
                self._polls[worker] = asyncio.create_task(self._poll(worker))

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            await self._look_at_workers()

    def _lease_of(self, entry: Entry) -> Lease | None:
        return next((x for x in self._leases.values() if x.entry is entry), None)

    async def _call(self, worker: str, handler: str, **arguments: Any) -> None:
        try:
            await self._host.backend.call(worker, f"lepton_{handler}", **arguments)
        except (OSError, KeyError):
            self._lost_worker(worker)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
