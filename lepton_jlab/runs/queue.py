"""The queue of a host's runs: who is next, on which slots, and how many slots are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lepton_jlab.cluster.backend import WorkerFacts
from lepton_jlab.cluster.host import Host
from lepton_jlab.errors import ClusterError
from lepton_jlab.runs import devices
from lepton_jlab.runs.gangs import Gangs, size, too_few
from lepton_jlab.runs.journal import Entry, Journal
from lepton_jlab.runs.lines import Lines
from lepton_jlab.runs.places import Places
from lepton_jlab.runs.processes import Processes
from lepton_jlab.runs.slots import Lease, Slots
from lepton_jlab.runs.workers import Workers


class Queue:
    """Hands runs to slots in order, and leases more slots while runs wait.

    Parameters
    ----------
    wanted : callable
        Told how many slots there may be, before each look at who waits: searches ask for trials.
    """

    slots: Slots

    def __init__(
        self,
        host: Host,
        workers: Workers,
        processes: Processes,
        lines: Lines,
        places: Places,
        journal: Journal,
        wanted: Callable[[int], None],
    ) -> None:
        self._host = host
        self._workers = workers
        self._processes = processes
        self._lines = lines
        self._places = places
        self._journal = journal
        self._wanted = wanted
        self._gangs = Gangs()

    def open(self, lost: Callable[[Lease, str], None]) -> None:
        """Lease slots from now on; `lost` is told of one with runs, and its worker, that died."""
        self.slots = Slots(self._host.backend, self.pump, lost, self._host.reserved)

    def refusal(self, spec: Mapping[str, Any]) -> ClusterError | None:
        """Return why a run can never have what it asks for; None if it can."""
        name, facts = self._host.plan.name, self._workers.facts.values()
        error = devices.refusal(spec, facts, self._host.engine, name)
        if error is None and not spec.get("resume"):  # what goes on may do so on fewer workers
            error = self._gangs.refusal(spec, self._host.adapting.most, name)
        return error

    def add(self, entries: list[Entry]) -> None:
        """Put runs at the ends of their lines."""
        self._places.place(entries, self._busy)
        for entry in entries:
            self._lines.add(entry)
        self.pump()

    def put_back(self, entry: Entry) -> None:
        """Put a run at the head of its line; `pump` must follow."""
        self._lines.put_back(entry)

    def remove(self, entry: Entry) -> None:
        """Take a run out that waits."""
        self._lines.remove(entry)

    def leave(self, entry: Entry) -> None:
        """Take a run off its slots, and note that the next one there begins."""
        first = entry.leases and entry.leases[0].entries[:1] == [entry]
        for lease in self.slots.take(entry):
            if first and lease.entries and lease.worker is not None:
                self._begin(lease.entries[0])

    def pump(self) -> None:
        """Hand runs to free slots, and lease more slots while runs wait."""
        self._places.relieve(self._busy)
        most = self._host.adapting.most
        self._wanted(max(len(self._workers.facts), most))
        for place, line in self._lines:
            workers = self._at(place)
            free = self.slots.free(place)
            while free and line:
                chosen = self._gangs.choose(line[0], free, workers)
                if not chosen:
                    break
                share = len(free) if len(chosen) == 1 else 1
                for lease in chosen:
                    free.remove(lease)
                self._dispatch(chosen, self._next(place, share))
            slots = sum(w.slots for w in workers.values()) if place else self._workers.slots
            demand = self._gangs.demand(line, slots, most)
            self.slots.want(*demand, place, None if place is None else list(workers))

    def look(self) -> Iterator[tuple[Entry, ClusterError]]:
        """Note which workers there are; take out the runs that now wait in vain, and say why.

        These are heads of lines that need more slots than there are any more.
        """
        self._gangs.saw(self._workers.facts.values())
        for place, line in self._lines:
            gang = bool(line) and size(line[0].spec) > 1  # a single one waits for its worker
            if not gang or (most := self._gangs.short(line[0], self._at(place))) is None:
                continue
            crew = line[0].crew
            if most == 0 or crew is None or not crew.goes_on_with(most):
                if self._host.adapting.most >= size(line[0].spec):
                    continue  # those workers are still to come
                head = self._lines.next(place)
                yield head, too_few(head.spec, most, self._host.plan.name)
            self.pump()

    def close(self) -> None:
        """Forget who waits, and all slots."""
        self._lines.clear()
        self.slots.close()

    def _at(self, place: str | None) -> dict[str, WorkerFacts]:
        """Return the workers of a place, all of them for None."""
        facts = self._workers.facts
        if place is None:
            return facts
        there = self._host.links.labels().get(place, ())
        return {address: facts[address] for address in there if address in facts}

    def _busy(self) -> list[Lease]:
        return [lease for lease in self.slots if lease.entries]

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
        self.slots.give(leases, entries)
        self._begin(entries[0])
        self._processes.start(entries)
        self._journal.note_ranks(entries[0])

    def _begin(self, entry: Entry) -> None:
        """Record that a run, the first of its slot, is on its workers now."""
        addresses = [lease.worker or "" for lease in entry.leases]
        facts = self._workers.facts
        known = [facts[address] for address in addresses if address in facts]
        own = [device for one in known for device in self._host.devices(one)]
        self._journal.begin(entry, known[0].name if known else addresses[0], own)
