"""What becomes of a host's runs: they end, go back into the queue, or begin anew elsewhere."""

from __future__ import annotations

import logging
import time
from typing import Any

from lepton_jlab.runs import devices
from lepton_jlab.runs.budgets import stops
from lepton_jlab.runs.changes import Changes
from lepton_jlab.runs.crew import owner
from lepton_jlab.runs.journal import Entry, Journal
from lepton_jlab.runs.places import Places
from lepton_jlab.runs.processes import Processes
from lepton_jlab.runs.queue import Queue
from lepton_jlab.runs.slots import Lease

log = logging.getLogger("lepton.runs")

_DIED = "the worker {} died while it ran this"


class Outcomes:
    """Takes what workers report and what users ask, and brings runs to their ends.

    Parameters
    ----------
    entries : dict of str to Entry
        The runs that have not ended, by id; those that end are taken out.
    """

    def __init__(
        self,
        entries: dict[str, Entry],
        queue: Queue,
        processes: Processes,
        places: Places,
        journal: Journal,
        changes: Changes,
    ) -> None:
        self._entries = entries
        self._queue = queue
        self._processes = processes
        self._places = places
        self._journal = journal
        self._changes = changes

    def take(self, worker: str, events: list[dict[str, Any]]) -> None:
        """Take what a worker reports."""
        ended: list[Entry] = []
        paid: list[Entry] = []
        slots = self._queue.slots
        for event in events:
            if event["type"] == "slot":
                slots.opened(event["lease"], worker, event.get("environment"))
            elif event["type"] == "ready":
                slots.renew()
            elif event["type"] == "fault":
                self._close_down(worker, event["message"])
            elif (entry := self._entries.get(owner(event["run"]))) is not None:
                for told in entry.crew.take(event) if entry.crew is not None else [event]:
                    self._hear(entry, told, ended, paid)
                if event["type"] in ("begin", "waiting", "end"):
                    self._journal.note_ranks(entry)
        self._settle(ended, paid)

    def cancel(self, entry: Entry, reason: dict[str, str], force: bool = False) -> None:
        """Take a run out of the queue, or interrupt it."""
        entry.cancelled, entry.reason = True, reason
        if entry.leases:
            self._processes.stop(entry, reason, force)
        else:
            self._queue.remove(entry)
            self._finish_cancelled(entry)

    def finish(self, entry: Entry, state: str, error: dict[str, Any] | None = None) -> None:
        """Record the end of a run that could not tell it itself."""
        self._journal.finish(entry, state, error)
        self._forget(entry)

    def lose(self, lease: Lease, worker: str) -> None:
        """Settle the runs of a slot whose worker died: the first one was running, others waited."""
        entries, lease.entries = lease.entries, []
        for entry in reversed(entries[1:]):
            entry.leases = []
            self._wait_again(entry)
        for entry in entries[:1]:
            if entry.crew is not None:
                ended: list[Entry] = []
                for told in entry.crew.lost(worker):
                    self._hear(entry, told, ended, [])
                self._settle(ended, [])
                continue
            if self._end_elsewhere(entry, worker, _DIED.format(worker)):
                continue
            self._queue.slots.take(entry)
            error = {"kind": "worker-lost", "message": _DIED.format(worker)}
            if entry.attempt <= entry.retries and not entry.cancelled:
                self._retry(entry, error)
            else:
                self.finish(entry, "cancelled" if entry.cancelled else "lost", error)

    def lose_worker(self, worker: str) -> None:
        """Settle what ran on a worker that is gone."""
        self._queue.slots.lose(worker)
        self._queue.pump()

    def _hear(
        self, entry: Entry, event: dict[str, Any], ended: list[Entry], paid: list[Entry]
    ) -> None:
        """Take one message of a run; note whether the run has ended, and whether its cost grew."""
        if event["type"] == "end":
            self._queue.leave(entry)
            if self._end(entry, event):
                ended.append(entry)
        elif event["type"] == "returned":
            self._queue.leave(entry)
            self._wait_again(entry)
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
            for run in runs:
                if run in self._entries:
                    self.cancel(self._entries[run], reason)
        self._queue.pump()

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
        self._queue.put_back(entry)

    def _wait_again(self, entry: Entry) -> None:
        """Put a run back that has not begun on its slot; one that was cancelled there ends."""
        if entry.cancelled:
            self._finish_cancelled(entry)
        else:
            self._queue.put_back(entry)

    def _finish_cancelled(self, entry: Entry) -> None:
        by_user = entry.reason["kind"] == "cancel"
        self.finish(entry, "cancelled", None if by_user else entry.reason)

    def _forget(self, entry: Entry) -> None:
        self._entries.pop(entry.spec["id"], None)
        if entry.search is not None:
            entry.search.ended(entry)
        self._changes.note([])  # who waits for the end looks again

    def _close_down(self, worker: str, fault: str) -> None:
        """Use a worker no more whose device is lost; it ends the runs there itself."""
        log.warning("%s: %s", worker, fault)
        for lease in self._queue.slots.on(worker):
            for entry in lease.entries[:1]:
                if entry.crew is None:
                    self._end_elsewhere(entry, worker, devices.while_running(fault))
        self._queue.slots.shut(worker)

    def _end_elsewhere(self, entry: Entry, worker: str, why: str) -> bool:
        """End a run that has lost a slot on `worker`, if its child is on another one."""
        first = entry.leases[0].worker if entry.leases else None
        if first is None or first == worker:
            return False
        self._processes.stop(entry, {"kind": "worker-lost", "message": why}, force=True)
        return True
