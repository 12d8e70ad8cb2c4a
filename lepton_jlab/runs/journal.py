"""Turns what workers report into records: output at once, everything else a few times a second."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.config import settings
from lepton_jlab.runs import records
from lepton_jlab.runs.budgets import Budget
from lepton_jlab.runs.changes import Changes
from lepton_jlab.runs.costs import RunCost
from lepton_jlab.runs.estimates import scored
from lepton_jlab.runs.history import Sparklines
from lepton_jlab.runs.placing import Work
from lepton_jlab.runs.transcript import Message, TranscriptWriter

if TYPE_CHECKING:
    from lepton_jlab.runs.crew import Crew
    from lepton_jlab.runs.places import Placed
    from lepton_jlab.runs.search.search import Search
    from lepton_jlab.runs.slots import Lease

_FLUSH = 0.2  # seconds between two writes of metrics and progress, however often they change
_SOON = 0.02  # the same for the begin of a run, which may have ended by then
_BATCH = 16  # runs handed to a worker at once
_KEPT = ("text", "display", "clear", "error")
CANCEL = {"kind": "cancel", "message": "cancelled"}  # by its user


class Pace:
    """How long the runs of one submission take: short ones are handed out several at a time."""

    def __init__(self) -> None:
        self._seconds: float | None = None

    def note(self, seconds: Mapping[str, float]) -> None:
        """Note the ``seconds`` of an ``end`` message; empty when the run could not tell."""
        spent = sum(seconds.values()) if seconds else 1.0
        mean = spent if self._seconds is None else self._seconds
        self._seconds = 0.5 * (mean + spent)

    def batch(self) -> int:
        """Return how many runs to hand out at once: 50 ms worth of them, or `_BATCH`."""
        if self._seconds is None:
            return 1
        return max(1, min(_BATCH, int(0.05 / max(self._seconds, 1e-6))))


@dataclass(slots=True, eq=False)
class Entry:
    """A run that has not ended, as its host holds it. Times in seconds since the epoch.

    `leases` are the slots it was given; its child, or its first one, is on the first of them.
    `place` is the line it waits in, and `placed` says why.
    `crew` holds its processes where they may be several, or go on from a checkpoint.
    """

    number: int
    spec: dict[str, Any]
    retries: int
    output: TranscriptWriter
    pace: Pace
    budget: Budget
    attempt: int = 1
    queued: float = field(default_factory=time.time)
    dispatched: float = 0.0
    begun: float = 0.0
    cancelled: bool = False
    reason: dict[str, str] = field(default_factory=lambda: dict(CANCEL))
    leases: list[Lease] = field(default_factory=list)
    work: Work = field(default_factory=Work)
    place: str | None = None
    placed: Placed | None = None
    crew: Crew | None = None
    state: str = "queued"  # or how it has ended
    search: Search | None = None  # that it belongs to, and the trial of that
    trial: Any = None
    metrics: dict[str, float] = field(default_factory=dict)
    streams: dict[int, dict[str, Any]] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    sparks: Sparklines = field(default_factory=Sparklines)
    cost: RunCost = field(default_factory=RunCost)
    estimate: Mapping[str, Any] | None = None

    def note(self, end: Mapping[str, Any]) -> None:
        """Note what an attempt took, as its ``end`` message tells it."""
        self.pace.note(end["seconds"])
        if used := end.get("used"):
            self.cost.take(used)

    @property
    def folder(self) -> Path:
        """Its folder in the records."""
        return Path(self.spec["folder"])


class Journal:
    """Writes the records of one host's runs.

    Parameters
    ----------
    changes : Changes
        Told of every run whose record changed.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._pending: dict[int, dict[str, Any]] = {}
        self._talking: set[Entry] = set()
        self._flusher: asyncio.TimerHandle | None = None

    def begin(self, entry: Entry, worker: str, devices: list[str]) -> None:
        """Record that a run has been handed to a worker."""
        entry.dispatched = time.time()
        row = {"state": "running", "started": entry.dispatched, "worker": worker}
        row |= {"devices": devices, "attempt": entry.attempt}
        row["environment"] = entry.leases[0].environment if entry.leases else None
        if entry.placed is not None:
            row["placement"] = entry.placed.to_dict()
        self._later(entry, row, _SOON)

    def take(self, entry: Entry, event: dict[str, Any]) -> None:
        """Record one message of a run; `write_output` must follow."""
        kind = event["type"]
        if kind in _KEPT:
            entry.messages.append({key: event[key] for key in event if key != "run"})
            self._talking.add(entry)
        elif kind == "begin":
            entry.begun = time.time()
            phases = {
                "queued": entry.dispatched - entry.queued,
                "start": entry.begun - entry.dispatched,
            }
            self._later(entry, {"phases": phases})
        elif kind == "metrics":
            entry.metrics.update(event["values"])
            row = {"step": event["step"], "t": event["t"], **event["values"]}
            with (entry.folder / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
            entry.sparks.add(event["values"])
            self._later(entry, {"metrics": entry.metrics, "spark": entry.sparks.leading()})
        elif kind == "progress":
            progress = {key: event[key] for key in ("epoch", "epochs", "batch", "batches")}
            self._later(entry, {"progress": progress})
        elif kind == "stream":
            entry.streams[event["report"]["stream"]] = event["report"]
            self._later(entry, {"streams": list(entry.streams.values())})
        elif kind == "checkpoint":
            known = ("call", "epoch", "batch", "done", "seconds", "bytes")
            self._later(
                entry, {"checkpoint": {**{key: event[key] for key in known}, "t": time.time()}}
            )
        elif kind == "used":
            entry.cost.take(event["used"])
            self._later(entry, {"cost": entry.cost.document()})
        elif kind == "file":
            _write_part(entry.folder / event["path"], event["offset"], event["data"])

    def note_ranks(self, entry: Entry) -> None:
        """Record where the ranks of a run are, and how."""
        if entry.crew is not None:
            self._later(entry, {"replicas": entry.crew.document()})

    def write_output(self) -> None:
        """Write the output taken since the last call, and tell who follows."""
        for entry in self._talking:
            entry.output.append(entry.messages)
            entry.messages = []
        if self._talking:
            self._changes.note(entry.spec["id"] for entry in self._talking)
            self._talking.clear()

    def retry(self, entry: Entry, error: Mapping[str, Any]) -> None:
        """Record that a run goes back into the queue after `error`."""
        next_ = "Trying again" if entry.crew is None else entry.crew.goes_on_from()
        notice = f"\nAttempt {entry.attempt - 1} ended: {error['message']}. {next_}.\n"
        entry.output.append([{"type": "text", "stream": "stderr", "text": notice}])
        if entry.crew is None:
            entry.metrics, entry.sparks = {}, Sparklines()
        entry.streams = {}
        entry.cost.again()
        self._write(
            entry, {"state": "queued", "started": None, "worker": None, "attempt": entry.attempt}
        )

    def end(self, entry: Entry, message: Mapping[str, Any], **more: Any) -> None:
        """Record the end of a run as its worker tells it, and `more`; `flush` must follow."""
        seconds = message["seconds"]
        now = time.time()
        begun = entry.begun or now
        phases = {
            "queued": entry.dispatched - entry.queued,
            "start": begun - entry.dispatched,
            "run": seconds.get("run", now - begun),
            "gather": seconds.get("gather", 0.0),
        }
        files = {value["name"]: Path(value["file"]).name for value in message["values"]}
        entry.state = message["state"]
        row = {"state": entry.state, "ended": now, "error": message["error"]}
        row |= {"phases": phases, "metrics": entry.metrics, "value_files": files, **more}
        row["cost"] = entry.cost.document()
        if entry.estimate is not None and message["state"] == "done":
            row["estimate"] = scored(entry.estimate, now - entry.dispatched)
        self._later(entry, row)

    def finish(self, entry: Entry, state: str, error: Mapping[str, Any] | None = None) -> None:
        """Record the last state of a run that could not tell it itself."""
        entry.state = state
        self._write(entry, {"state": state, "ended": time.time(), "error": error})

    def flush(self) -> None:
        """Write what waits."""
        if self._flusher is not None:
            self._flusher.cancel()
            self._flusher = None
        if self._pending:
            changes, self._pending = self._pending, {}
            records.update(changes)
            self._changes.note(f"r{number}" for number in changes)

    def _later(self, entry: Entry, row: dict[str, Any], delay: float = _FLUSH) -> None:
        self._pending.setdefault(entry.number, {}).update(row)
        loop = asyncio.get_running_loop()
        if self._flusher is None or self._flusher.when() > loop.time() + delay:
            if self._flusher is not None:
                self._flusher.cancel()
            self._flusher = loop.call_later(delay, self.flush)

    def _write(self, entry: Entry, row: dict[str, Any]) -> None:
        records.update({entry.number: {**self._pending.pop(entry.number, {}), **row}})
        self._changes.note([entry.spec["id"]])


def new_entries(
    numbers: Sequence[int],
    params: Sequence[Mapping[str, Any]],
    spec: Mapping[str, Any],
    budget: Budget,
    work: Work,
    estimates: Sequence[Mapping[str, Any] | None] | None = None,
) -> list[Entry]:
    """Make the entries of runs that have just been recorded, of one submission."""
    pace, limit, payloads = Pace(), settings().output_limit, str(records.payload_folder())
    entries = []
    estimates = estimates or [None] * len(numbers)
    for number, values, estimate in zip(numbers, params, estimates, strict=True):
        own = {
            **spec,
            "id": f"r{number}",
            "params": values,
            "filename": spec["filename"] or f"run r{number}",
            "folder": str(records.folder(number)),
            "payload_folder": payloads,
        }
        output = TranscriptWriter(Path(own["folder"]), limit)
        entry = Entry(number, own, spec["retries"], output, pace, budget, work=work)
        entry.estimate = estimate
        budget.add(entry)
        entries.append(entry)
    return entries


def _write_part(path: Path, offset: int, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if offset else "wb") as file:
        file.seek(offset)
        file.write(data)
