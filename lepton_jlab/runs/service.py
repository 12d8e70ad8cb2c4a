"""The host's side of runs: the queue, the way from it to the workers, and what these report."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from lepton_jlab.cluster.backend import WorkerFacts
from lepton_jlab.cluster.devices import names_of
from lepton_jlab.cluster.host import Host
from lepton_jlab.config import settings
from lepton_jlab.runs import devices, records
from lepton_jlab.runs.attempt import failed
from lepton_jlab.runs.budgets import Budget, stops
from lepton_jlab.runs.changes import Changes
from lepton_jlab.runs.crew import Crew, owner
from lepton_jlab.runs.environment import check_workers
from lepton_jlab.runs.gangs import Gangs, size, too_few
from lepton_jlab.runs.journal import CANCEL, Entry, Journal, new_entries
from lepton_jlab.runs.keeping import Keeping
from lepton_jlab.runs.lines import Lines
from lepton_jlab.runs.places import Places
from lepton_jlab.runs.resuming import take_over
from lepton_jlab.runs.search.searches import Searches
from lepton_jlab.runs.sending import send
from lepton_jlab.runs.slots import Lease, Slots
from lepton_jlab.runs.worker import PLUGIN, RunWorker

log = logging.getLogger("lepton.runs")

_LOOK = 0.5  # seconds between two looks at which workers there are
_AT_ONCE = 200  # runs of a submission until others are heard again: folders take 0.1 ms each
_DIED = "the worker {} died while it ran this"


def attach(host: Host) -> RunService:
    """Add runs to a cluster host."""
    service = RunService(host)
    host.serve("submit", service.submit)
    host.serve("cancel", service.cancel)
    host.serve("changes", service.changes.since)
    host.serve("ended", service.ended)
    host.serve("resume", service.searches.resume)
    host.serve("kept", Keeping(host).kept)
    return service


class RunService:
    """Takes submissions, hands runs to workers in order, and keeps their records."""

    def __init__(self, host: Host) -> None:
        self.changes = Changes()
        self._host = host
        self._lines = Lines()
        self._places = Places(host, self._lines)
        pid, created = host.pid, host.created
        self._origin = {"cluster": host.plan.name, "host_pid": pid, "host_created": created}
        self.searches = Searches(self, self._origin, self._places.work)
        self._gangs = Gangs()
        self._entries: dict[str, Entry] = {}
        self._slots: Slots
        self._polls: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._workers: dict[str, WorkerFacts] = {}
        self._journal = Journal(self.changes)
        self._installed = False

    async def start(self) -> None:
        """Install the worker side."""
        token = secrets.token_hex(16)
        (self._host.scratch / "token").write_text(token)
        chosen = settings()
        plugin = RunWorker(
            *(str(self._host.scratch), token, chosen.preload, chosen.grace, chosen.keep_timeout),
            devices.settings_of(self._host.engine, self._host.plan.options),
        )
        await check_workers(self._host.backend)
        await self._host.backend.client.register_plugin(plugin)
        self._slots = Slots(self._host.backend, self._pump, self._lose, self._host.reserved)
        self._installed = True
        records.prune_payloads()
        await self._look_at_workers()
        self._spawn(self._keep_looking())

    def active(self) -> bool:
        """Tell whether a run is queued or running."""
        return bool(self._entries or self.searches)

    def demand(self) -> int:
        """Return how many workers its runs would keep busy now."""
        sizes = [size(entry.spec) for entry in self._entries.values()]
        slots = int(self._host.plan.options.get("slots_per_gpu", 1))
        return max(-(-sum(sizes) // slots), *sizes, 0)

    def leave(self, workers: Collection[str]) -> None:
        """Hand no more runs to `workers`, which are about to be closed."""
        self._slots.leave(workers)

    def held(self) -> set[str]:
        """Return the workers that hold a slot, whether or not a run is on it."""
        return {lease.worker for lease in self._slots if lease.worker is not None}

    def occupants(self) -> dict[str, list[str]]:
        """Return the ids of the runs on each worker that has some."""
        found: dict[str, list[str]] = {}
        for lease in self._slots if self._installed else ():
            if lease.worker is not None and lease.entries:
                found.setdefault(lease.worker, []).append(lease.entries[0].spec["id"])
        return found

    async def submit(
        self,
        submission: dict[str, Any],
        params: list[dict[str, Any]],
        spec: dict[str, Any],
        estimates: list[dict[str, Any] | None] | None = None,
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
        estimates : list of dict, optional
            What each is estimated to take.

        Raises
        ------
        ClusterError
            When they need more slots at once than there are.
        """
        name = self._host.plan.name
        error = devices.refusal(spec, self._workers.values(), self._host.engine, name)
        if error is None and not spec.get("resume"):  # what goes on may do so on fewer workers
            error = self._gangs.refusal(spec, self._adapt(), name)
        if error is not None:
            raise error
        self._places.check(spec.get("place"))
        options = submission["options"]
        work = await self._places.work(submission.get("digest") or "", spec)
        number, ids = records.add({**submission, **self._origin}, params, estimates)
        if spec.pop("search", None):
            ids = await self.searches.begin(number, options, spec, work)
            return {"submission": number, "runs": ids}
        budget, estimates = Budget(options), estimates or [None] * len(ids)
        for first in range(0, len(ids), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            found = new_entries(ids[some], params[some], spec, budget, work, estimates[some])
            for entry in found:
                if old := entry.spec.get("resume"):  # a checkpoint may be large
                    before = records.folder(int(old[1:]))
                    await asyncio.to_thread(take_over, before, entry.folder)
            self.enqueue(found)
            await asyncio.sleep(0)
        return {"submission": number, "runs": ids}

    def enqueue(self, entries: list[Entry]) -> None:
        """Queue runs that have been recorded."""
        self._places.place(entries, self._busy)
        for entry in entries:
            entry.spec["memory"] = entry.spec["memory"] or self._host.plan.memory
            if "replicas" in entry.spec:
                entry.crew = Crew(entry.spec, self._call_soon)
            self._entries[entry.spec["id"]] = entry
            self._lines.add(entry)
        self.changes.note(entry.spec["id"] for entry in entries)
        self._pump()

    async def cancel(
        self, runs: list[str], force: bool = False, reason: dict[str, str] = CANCEL
    ) -> None:
        """Take queued runs out of the queue, and interrupt running ones; a sweep's search ends."""
        for run in list(self.searches.stopped(runs)):
            entry = self._entries.get(run)
            if entry is None:
                continue
            entry.cancelled, entry.reason = True, reason
            if not entry.leases:
                self._lines.remove(entry)
                self._finish(entry, "cancelled", None if reason is CANCEL else reason)
            else:
                for worker, name in self._processes(entry):
                    self._spawn(self._stop(worker, name, entry.reason, force))

    async def ended(self, runs: list[str], patience: float) -> bool:
        """Tell whether all of `runs` have ended, waiting up to `patience` seconds for it."""
        end = time.monotonic() + patience
        while any(run in self._entries or run in self.searches for run in runs):
            left = end - time.monotonic()
            if left <= 0:
                return False
            await self.changes.wait(left)
        return True

    async def close(self) -> None:
        """End all runs with the cluster."""
        for task in (*self._polls.values(), *self._tasks):
            task.cancel()
        self.searches.close()
        for entry in list(self._entries.values()):
            self._finish(entry, "cancelled")
        self._lines.clear()
        if self._installed:  # an adopted cluster lives on, without what was added
            self._slots.close()
            client = self._host.backend.client
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(client.unregister_worker_plugin(PLUGIN), 5)

    def _pump(self) -> None:
        """Hand queued runs to free slots, and lease more slots while runs wait."""
        self._places.relieve(self._busy)
        self.searches.want(max(len(self._workers), self._adapt()))
        for place, line in self._lines:
            workers = self._at(place)
            free = self._slots.free(place)
            while free and line:
                chosen = self._gangs.choose(line[0], free, workers)
                if not chosen:
                    break
                share = len(free) if len(chosen) == 1 else 1
                for lease in chosen:
                    free.remove(lease)
                self._dispatch(chosen, self._next(place, share))
            demand = self._gangs.demand(line, workers, self._adapt())
            self._slots.want(*demand, place, None if place is None else list(workers))

    def _at(self, place: str | None) -> dict[str, WorkerFacts]:
        """Return the workers of a place, all of them for None."""
        if place is None:
            return self._workers
        there = self._host.links.labels().get(place, ())
        return {address: self._workers[address] for address in there if address in self._workers}

    def _busy(self) -> list[Lease]:
        return [lease for lease in self._slots if lease.entries]

    def _adapt(self) -> int:
        """Return how many workers there may come to be by themselves; 0 if none come."""
        return self._host.adapting.most

    def _next(self, place: str | None, slots: int) -> list[Entry]:
        """Take the next run from a line: or several, if runs of that submission are short.

        One call for many saves most of what a tiny cell costs. `slots` free slots share the line.
        """
        line = self._lines.line(place)
        first = self._lines.next(place)
        entries = [first]
        share = min(first.pace.batch(), -(-(len(line) + 1) // slots))
        share = share if size(first.spec) == 1 else 1
        while len(entries) < share and line and line[0].pace is first.pace:
            entries.append(self._lines.next(place))
        return entries

    def _dispatch(self, leases: list[Lease], entries: list[Entry]) -> None:
        self._slots.give(leases, entries)
        self._begin(entries[0])
        if (crew := entries[0].crew) is not None:
            facts = [self._workers[lease.worker or ""] for lease in leases]
            places = [(one, self._host.devices(one)[0]) for one in facts]
            for worker, spec in crew.begin(entries[0], places):
                self._spawn(self._start(worker, [spec]))
            self._journal.note_ranks(entries[0])
            return
        assert leases[0].worker is not None
        specs = [{**entry.spec, "attempt": entry.attempt} for entry in entries]
        self._spawn(self._start(leases[0].worker, specs))

    def _processes(self, entry: Entry) -> list[tuple[str, str]]:
        """Return where the processes of a run are, by worker and name."""
        if entry.crew is not None:
            return entry.crew.places()
        worker = entry.leases[0].worker if entry.leases else None
        return [] if worker is None else [(worker, entry.spec["id"])]

    def _begin(self, entry: Entry) -> None:
        """Record that a run, the first of its slot, is on its workers now."""
        addresses = [lease.worker or "" for lease in entry.leases]
        known = [self._workers[address] for address in addresses if address in self._workers]
        own = [device for facts in known for device in self._host.devices(facts)]
        self._journal.begin(entry, known[0].name if known else addresses[0], own)

    async def _start(self, worker: str, specs: list[dict[str, Any]]) -> None:
        try:
            if specs[0].get("gpus", 1) > 1:
                specs[0]["devices"] = await self._take_devices(self._entries[specs[0]["id"]])
            answer = await self._host.backend.call(worker, "lepton_start", specs=specs)
            if missing := answer["missing"]:
                began = time.monotonic()
                for digest in missing:
                    await send(self._host.backend, worker, digest, self._places.slow(worker))
                first = self._entries.get(owner(specs[0]["id"]))
                if first is not None and first.placed is not None:
                    first.placed.sent = time.monotonic() - began
                await self._host.backend.call(worker, "lepton_start", specs=specs)
            self._places.sent(worker, specs[0]["payloads"])
        except (OSError, KeyError) as error:
            log.warning("%s could not be started on %s: %r", specs[0]["id"], worker, error)
            self._lost_worker(worker)
            return
        except Exception as error:  # whatever the worker made of it, no run stays for ever
            log.exception("%s could not be started on %s", specs[0]["id"], worker)
            end = failed("exception", f"the run could not be started on its worker: {error!r}")
            self._take(worker, [{**end, "run": spec["id"]} for spec in specs])
            return
        for spec in specs:
            entry = self._entries.get(owner(spec["id"]))
            if entry is not None and entry.cancelled:  # meanwhile, and it may not have been known
                await self._stop(worker, spec["id"], entry.reason)

    async def _take_devices(self, entry: Entry) -> list[str]:
        """Wait until what ran on a run's devices before has left them; return their names."""
        addresses = [lease.worker or "" for lease in entry.leases]
        for address in addresses[1:]:  # its own worker waits by itself
            await self._host.backend.call(address, "lepton_settle")
        known = [self._workers[address] for address in addresses]
        return [name for facts in known for name in names_of(facts, self._host.engine)]

    async def _stop(
        self, worker: str, run: str, reason: dict[str, str], force: bool = False
    ) -> None:
        await self._call(worker, "stop_run", run=run, reason=reason, force=force)

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
        ended: list[Entry] = []
        paid: list[Entry] = []
        for event in events:
            if event["type"] == "slot":
                self._slots.opened(event["lease"], worker, event.get("environment"))
            elif event["type"] == "ready":
                self._slots.renew()
            elif event["type"] == "fault":
                self._close_down(worker, event["message"])
            elif (entry := self._entries.get(owner(event["run"]))) is not None:
                for told in entry.crew.take(event) if entry.crew is not None else [event]:
                    self._hear(entry, told, ended, paid)
                if event["type"] in ("begin", "waiting", "end"):
                    self._journal.note_ranks(entry)
        self._settle(ended, paid)

    def _hear(
        self, entry: Entry, event: dict[str, Any], ended: list[Entry], paid: list[Entry]
    ) -> None:
        """Take one message of a run; note whether the run has ended, and whether its cost grew."""
        if event["type"] == "end":
            self._leave(entry)
            if self._end(entry, event):
                ended.append(entry)
        elif event["type"] == "returned":
            self._leave(entry)
            self._lines.put_back(entry)
        else:
            if entry.search is not None:
                event = entry.search.heard(entry, event)
            self._journal.take(entry, event)
        if event["type"] in ("end", "used"):
            paid.append(entry)

    def _settle(self, ended: list[Entry], paid: list[Entry]) -> None:
        """Write what has been heard, forget who has ended, and let others begin."""
        self._journal.write_output()
        if ended:
            self._journal.flush()
            for entry in ended:
                self._forget(entry)
        for runs, reason in stops(paid):
            self._spawn(self.cancel(runs, reason=reason))
        self._pump()

    def _close_down(self, worker: str, fault: str) -> None:
        """Use a worker no more whose device is lost; it ends the runs there itself."""
        log.warning("%s: %s", worker, fault)
        for lease in self._slots.on(worker):
            for entry in lease.entries[:1]:
                if entry.crew is None:
                    self._end_elsewhere(entry, worker, devices.while_running(fault))
        self._slots.shut(worker)

    def _end_elsewhere(self, entry: Entry, worker: str, why: str) -> bool:
        """End a run that has lost a slot on `worker`, if its child is on another one."""
        first = entry.leases[0].worker if entry.leases else None
        if first is None or first == worker:
            return False
        reason = {"kind": "worker-lost", "message": why}
        self._spawn(self._stop(first, entry.spec["id"], reason, force=True))
        return True

    def _leave(self, entry: Entry) -> None:
        """Take a run off its slots, and let the next one there begin."""
        first = entry.leases and entry.leases[0].entries[:1] == [entry]
        for lease in self._slots.take(entry):
            if first and lease.entries and lease.worker is not None:
                self._begin(lease.entries[0])

    def _end(self, entry: Entry, end: dict[str, Any]) -> bool:
        """Record the end of a run; return whether it is the last word."""
        entry.note(end)
        if end["state"] == "failed" and not entry.cancelled:
            resumes = entry.crew is not None and entry.crew.resumes(end)
            if resumes or entry.attempt <= entry.retries:
                self._retry(entry, end["error"])
                return False
        more = self._places.ended(entry) if end["state"] == "done" else {}
        self._journal.end(entry, end, **more)
        return True

    def _retry(self, entry: Entry, error: dict[str, Any]) -> None:
        entry.attempt += 1
        self._journal.retry(entry, error)
        entry.queued = time.time()
        self._lines.put_back(entry)

    def _finish(self, entry: Entry, state: str, error: dict[str, Any] | None = None) -> None:
        self._journal.finish(entry, state, error)
        self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        self._entries.pop(entry.spec["id"], None)
        if entry.search is not None:
            entry.search.ended(entry)
        self.changes.note([])  # who waits for the end looks again

    def _lost_worker(self, worker: str) -> None:
        """Settle what ran on a worker that is gone."""
        self._workers.pop(worker, None)
        poll = self._polls.pop(worker, None)
        if poll is not None and poll is not asyncio.current_task():
            poll.cancel()
        self._slots.lose(worker)
        self._pump()

    def _lose(self, lease: Lease, worker: str) -> None:
        """Settle the runs of a slot whose worker died: the first one was running, others waited."""
        entries, lease.entries = lease.entries, []
        for entry in reversed(entries[1:]):
            entry.leases = []
            self._lines.put_back(entry)
        for entry in entries[:1]:
            if entry.crew is not None:
                ended: list[Entry] = []
                for told in entry.crew.lost(worker):
                    self._hear(entry, told, ended, [])
                self._settle(ended, [])
                continue
            if self._end_elsewhere(entry, worker, _DIED.format(worker)):
                continue
            self._slots.take(entry)
            error = {"kind": "worker-lost", "message": _DIED.format(worker)}
            if entry.attempt <= entry.retries and not entry.cancelled:
                self._retry(entry, error)
            else:
                self._finish(entry, "cancelled" if entry.cancelled else "lost", error)

    async def _look_at_workers(self) -> None:
        """Learn which workers there are, and listen to each."""
        self._workers = {w.address: w for w in await self._host.backend.workers()}
        self._gangs.saw(self._workers.values())
        for worker in self._workers:
            if worker not in self._polls:
                self._polls[worker] = asyncio.create_task(self._poll(worker))

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            await self._look_at_workers()
            self._refuse_what_cannot_start()

    def _refuse_what_cannot_start(self) -> None:
        """End runs at the head of a line that need more slots than there are any more."""
        for place, line in self._lines:
            gang = bool(line) and size(line[0].spec) > 1  # a single one waits for its worker
            if not gang or (most := self._gangs.short(line[0], self._at(place))) is None:
                continue
            crew = line[0].crew
            if most == 0 or crew is None or not crew.goes_on_with(most):
                if self._adapt() >= size(line[0].spec):
                    continue  # those workers are still to come
                head = self._lines.next(place)
                message = str(too_few(head.spec, most, self._host.plan.name))
                self._finish(head, "failed", {"kind": "worker-lost", "message": message})
            self._pump()

    async def _call(self, worker: str, handler: str, **arguments: Any) -> None:
        try:
            await self._host.backend.call(worker, f"lepton_{handler}", **arguments)
        except (OSError, KeyError):
            self._lost_worker(worker)

    def _call_soon(self, worker: str, handler: str, **arguments: Any) -> None:
        self._spawn(self._call(worker, handler, **arguments))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
