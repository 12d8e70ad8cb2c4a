"""The host's side of runs: what users and views ask of it, and how its parts go together."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from lepton_jlab.cluster.host import Host
from lepton_jlab.config import settings
from lepton_jlab.runs import devices, records
from lepton_jlab.runs.budgets import Budget
from lepton_jlab.runs.changes import Changes
from lepton_jlab.runs.crew import Crew
from lepton_jlab.runs.environment import check_workers
from lepton_jlab.runs.gangs import size
from lepton_jlab.runs.journal import CANCEL, Entry, Journal, new_entries
from lepton_jlab.runs.keeping import Keeping
from lepton_jlab.runs.lines import Lines
from lepton_jlab.runs.outcomes import Outcomes
from lepton_jlab.runs.places import Places
from lepton_jlab.runs.processes import Processes
from lepton_jlab.runs.queue import Queue
from lepton_jlab.runs.resuming import take_over
from lepton_jlab.runs.search.searches import Searches
from lepton_jlab.runs.worker import PLUGIN, RunWorker
from lepton_jlab.runs.workers import LOOK, Workers

_AT_ONCE = 200  # runs of a submission until others are heard again: folders take 0.1 ms each


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
    """Takes submissions, and has their runs executed and recorded.

    What workers report goes from `Workers` to `Outcomes`; what is to run, from there or from a
    submission to the `Queue`, and from it by `Processes` to the workers.
    """

    def __init__(self, host: Host) -> None:
        self.changes = Changes()
        self._host = host
        self._lines = Lines()
        self._places = Places(host, self._lines)
        pid, created = host.pid, host.created
        self._origin = {"cluster": host.plan.name, "host_pid": pid, "host_created": created}
        self.searches = Searches(self, self._origin, self._places.work)
        self._entries: dict[str, Entry] = {}
        self._journal = Journal(self.changes)
        self._installed = False

    async def start(self) -> None:
        """Install the worker side, and listen to the workers."""
        token = secrets.token_hex(16)
        (self._host.scratch / "token").write_text(token)
        chosen = settings()
        plugin = RunWorker(
            *(str(self._host.scratch), token, chosen.preload, chosen.grace, chosen.keep_timeout),
            devices.settings_of(self._host.engine, self._host.plan.options),
        )
        await check_workers(self._host.backend)
        await self._host.backend.client.register_plugin(plugin)
        self._workers = Workers(self._host.backend)
        self._processes = Processes(self._host, self._workers, self._places, self._entries)
        self._queue = Queue(
            *(self._host, self._workers, self._processes, self._lines, self._places),
            *(self._journal, self.searches.want),
        )
        self._outcomes = Outcomes(
            *(self._entries, self._queue, self._processes, self._places),
            *(self._journal, self.changes),
        )
        self._queue.open(self._outcomes.lose)
        self._workers.listen(self._outcomes.take, self._outcomes.lose_worker)
        self._installed = True
        records.prune_payloads()
        await self._look()
        self._workers.spawn(self._keep_looking())

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
        self._queue.slots.leave(workers)

    def held(self) -> set[str]:
        """Return the workers that hold a slot, whether or not a run is on it."""
        return {lease.worker for lease in self._queue.slots if lease.worker is not None}

    def occupants(self) -> dict[str, list[str]]:
        """Return the ids of the runs on each worker that has some."""
        found: dict[str, list[str]] = {}
        for lease in self._queue.slots if self._installed else ():
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
        if (error := self._queue.refusal(spec)) is not None:
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
        for entry in entries:
            entry.spec["memory"] = entry.spec["memory"] or self._host.plan.memory
            if "replicas" in entry.spec:
                entry.crew = Crew(entry.spec, self._processes.call)
            self._entries[entry.spec["id"]] = entry
        self.changes.note(entry.spec["id"] for entry in entries)
        self._queue.add(entries)

    async def cancel(
        self, runs: list[str], force: bool = False, reason: dict[str, str] = CANCEL
    ) -> None:
        """Take queued runs out of the queue, and interrupt running ones; a sweep's search ends."""
        for run in list(self.searches.stopped(runs)):
            if (entry := self._entries.get(run)) is not None:
                self._outcomes.cancel(entry, reason, force)

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
        if not self._installed:
            return
        self._workers.close()
        self.searches.close()
        for entry in list(self._entries.values()):
            self._outcomes.finish(entry, "cancelled")
        self._queue.close()
        client = self._host.backend.client  # an adopted cluster lives on, without what was added
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(client.unregister_worker_plugin(PLUGIN), 5)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            await self._look()

    async def _look(self) -> None:
        """Learn which workers there are, and end the runs that wait for others in vain."""
        await self._workers.look()
        for entry, error in self._queue.look():
            self._outcomes.finish(entry, "failed", {"kind": "worker-lost", "message": str(error)})
