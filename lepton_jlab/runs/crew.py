"""The processes of a run that trains on several workers, as its host holds them.

Each rank is a child of its own, on a slot of its own; to the record they are one run. What rank 0
says is the run's, the text of the others goes with it behind their numbers, and all end together.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.cluster.backend import WorkerFacts
from lepton_jlab.replicas.places import FOLDER
from lepton_jlab.runs.attempt import failed
from lepton_jlab.runs.words import duration

if TYPE_CHECKING:
    from lepton_jlab.runs.journal import Entry

_CAUSE = 2.0  # seconds for the reason of an end to be known, when a rank misses another
_LATE = 10.0  # seconds after which it is said who lets the others wait
_LONGEST = 4096  # characters of a line that are waited for
_MOST = 200  # lines that wait for the end of rank 0's
_STRIKES = 3  # deaths in a row without a checkpoint between them
_FAULTS = ("signal", "worker-lost")
_OWN_END = "crew"  # the kind of an end that this module has brought about

Event = dict[str, Any]


def owner(name: str) -> str:
    """Return the run that a process is of: ``"r17"`` of ``"r17.1"``."""
    return name.partition(".")[0]


@dataclass(slots=True)
class Rank:
    """One process: where it is, and how it is."""

    number: int
    run: str
    address: str
    worker: str
    host: str
    device: str
    state: str = "starting"
    end: Event | None = None
    peer: Mapping[str, Any] | None = None
    waits: tuple[str, float] | None = None
    line: str = ""  # what it has said since the end of a line
    errors: list[Event] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return it as the record has it."""
        names = ("worker", "host", "device", "state")
        return {"rank": self.number, **{name: getattr(self, name) for name in names}}


class Crew:
    """All ranks of a run, from one attempt to the next.

    Parameters
    ----------
    spec : dict
        Of the run. Its ``replicas`` are how many ranks there are at first, its ``checkpoint`` the
        seconds between two checkpoints: 0 for often enough, None for none.
    call : callable
        Calls ``lepton_<handler>`` of a worker: ``call(worker, handler, **arguments)``.
    """

    def __init__(self, spec: dict[str, Any], call: Callable[..., None]) -> None:
        self._spec = spec
        self._call = call
        self._shards = int(spec["replicas"])
        self._seed = _seed(Path(spec["folder"]))
        self._ranks: list[Rank] = []
        self._strikes = 0
        self._at: Event | None = None
        self._ending: asyncio.TimerHandle | None = None
        self._named: set[int] = set()
        self._lines: list[Event] = []  # of other ranks, while rank 0 is within a line
        self._open = False

    # ---- the beginning

    def begin(
        self, entry: Entry, workers: Sequence[tuple[WorkerFacts, str]]
    ) -> list[tuple[str, Event]]:
        """Return what each worker is to start, as (address, specification).

        Parameters
        ----------
        entry : Entry
            The run.
        workers : sequence of (WorkerFacts, str)
            Where the ranks are, and on which device.
        """
        run = self._spec["id"]
        self._ending, self._named = None, set()
        self._lines, self._open = [], False
        self._ranks = [
            Rank(n, f"{run}.{n}" if n else run, facts.address, facts.name, facts.host, device)
            for n, (facts, device) in enumerate(workers)
        ]
        self._strikes += 1
        place = {
            "world": len(self._ranks),
            "shards": self._shards,
            "seed": self._seed,
            "secret": secrets.token_hex(32),
            "checkpoint": self._spec["checkpoint"],
            "together": len({rank.host for rank in self._ranks}) == 1,
        }
        return [
            (
                rank.address,
                {
                    **self._spec,
                    "id": rank.run,
                    "attempt": entry.attempt,
                    "pull": [] if rank.number else self._spec["pull"],
                    "replica": {**place, "rank": rank.number},
                },
            )
            for rank in self._ranks
        ]

    def places(self) -> list[tuple[str, str]]:
        """Return worker and name of each process that has not ended."""
        return [(rank.address, rank.run) for rank in self._ranks if rank.end is None]

    def document(self) -> list[dict[str, Any]]:
        """Return the ranks as the record has them."""
        return [rank.document() for rank in self._ranks]

    # ---- what they say

    def take(self, event: Event) -> list[Event]:
        """Return what a message of one rank is to the run: nothing, itself, or an end of all."""
        number = int(event["run"].partition(".")[2] or 0)
        if number >= len(self._ranks):
            return []
        rank = self._ranks[number]
        event = {**event, "run": self._spec["id"]}
        heard = getattr(self, f"_take_{event['type']}", None)
        if heard is not None:
            found: list[Event] = heard(rank, event)
            return found
        return [event] if number == 0 else []

    def lost(self, worker: str) -> list[Event]:
        """Settle the ranks on a worker that has died."""
        found: list[Event] = []
        for rank in self._ranks:
            if rank.address == worker and rank.end is None:
                end = failed("worker-lost", "its worker died")
                found += self._take_end(rank, {**end, "run": self._spec["id"]})
        return found

    def resumes(self, end: Mapping[str, Any]) -> bool:
        """Tell whether the run goes on from its last checkpoint, or from the start before one."""
        return end["error"]["kind"] in _FAULTS and self._strikes < _STRIKES

    def goes_on_with(self, workers: int) -> bool:
        """Take fewer workers than at first, if it had begun on more; return whether it does."""
        begun = bool(self._ranks or self._spec.get("resume"))
        if begun:
            self._spec["slots"] = workers
        return begun

    def _take_used(self, rank: Rank, event: Event) -> list[Event]:  # noqa: ARG002
        return [event]

    def _take_begin(self, rank: Rank, event: Event) -> list[Event]:
        rank.state = "running"
        return [event] if rank.number == 0 else []

    def _take_address(self, rank: Rank, event: Event) -> list[Event]:
        rank.peer = event["address"]
        peers = [rank.peer for rank in self._ranks]
        if None not in peers:
            for one in self._ranks:
                self._call(one.address, "tell", run=one.run, message={"peers": peers})
        return []

    def _take_text(self, rank: Rank, event: Event) -> list[Event]:
        if rank.number == 0:
            self._open = not event["text"].endswith("\n")
            return [event, *self._said()]
        rank.line += event["text"]
        lines = rank.line.splitlines(keepends=True)
        rank.line = ""
        if lines and not lines[-1].endswith("\n") and len(lines[-1]) < _LONGEST:
            rank.line = lines.pop()
        mark = f"[{rank.number}] "
        self._lines += [{**event, "text": mark + line} for line in lines]
        return self._said(len(self._lines) > _MOST)

    def _said(self, now: bool = False) -> list[Event]:
        """Return the lines of other ranks, unless they would come into a line of rank 0."""
        if not self._lines or (self._open and not now):
            return []
        said, self._lines = self._lines, []
        first = {**said[0], "text": "\n" + said[0]["text"]} if self._open else said[0]
        self._open = False
        return [first, *said[1:]]

    def _rest(self) -> list[Event]:
        """Return what ranks have said without an end of the line, when all is over."""
        for rank in self._ranks:
            if rank.number and rank.line:
                text = {"type": "text", "stream": "stdout", "run": self._spec["id"]}
                self._lines.append({**text, "text": f"[{rank.number}] {rank.line}\n"})
                rank.line = ""
        return self._said(now=True)

    def _take_display(self, rank: Rank, event: Event) -> list[Event]:
        if rank.number == 0:
            return [event]
        head = {"type": "text", "stream": "stdout", "run": event["run"]}
        return [{**head, "text": f"[{rank.number}] shows:\n"}, event]

    def _take_error(self, rank: Rank, event: Event) -> list[Event]:
        rank.errors.append(event)  # it may be but the echo of another rank's end
        return []

    def _take_checkpoint(self, rank: Rank, event: Event) -> list[Event]:
        self._strikes = 0
        self._at = event
        return [event] if rank.number == 0 else []

    def _take_waiting(self, rank: Rank, event: Event) -> list[Event]:
        rank.waits = (event["what"], event["seconds"]) if event["seconds"] else None
        rank.state = "waiting" if rank.waits else "running"
        late = [r for r in self._ranks if r.waits is None and r.end is None]
        if rank.waits is None or event["seconds"] < _LATE:
            self._named -= {rank.number}
            return []
        fresh = [one for one in late if one.number not in self._named]
        self._named |= {one.number for one in fresh}
        if not fresh:
            return []
        who = ", ".join(f"rank {one.number} on worker {one.worker}" for one in fresh)
        text = f"\n{who}: not at {event['what']} for {duration(event['seconds'])}; others wait.\n"
        return [{"type": "text", "stream": "stderr", "text": text, "run": event["run"]}]

    # ---- the end

    def _take_end(self, rank: Rank, event: Event) -> list[Event]:
        if rank.end is not None:
            return []
        rank.end, rank.waits = event, None
        used = {"type": "used", "run": event["run"], "used": event.pop("used", None)}
        paid = [used] if used["used"] else []
        kind = (event["error"] or {}).get("kind")
        rank.state = "lost" if kind == "worker-lost" else event["state"]
        if event["state"] != "done" and self._ending is None:
            loop = asyncio.get_running_loop()
            pause = _CAUSE if kind == "peer" else 0.0
            self._ending = loop.call_later(pause, self._end_others)
        if any(one.end is None for one in self._ranks):
            return paid
        if self._ending is not None:
            self._ending.cancel()
        self._spec["slots"] = self._shards  # if it goes on, with all workers there are by then
        cause = self._cause()
        shown = next((one for one in self._ranks if one.end is cause), self._ranks[0])
        return [*paid, *self._rest(), *shown.errors, self._described(shown, cause)]

    def _end_others(self) -> None:
        reason = {"kind": _OWN_END, "message": "another rank has ended"}
        for worker, run in self.places():
            self._call(worker, "stop_run", run=run, reason=reason, force=True)

    def goes_on_from(self) -> str:
        """Say where the next attempt begins."""
        at = self._at
        if at is None:
            return "Going on from the start"
        where = f"epoch {at['epoch'] + 1}" + (f", batch {at['batch']}" if at["batch"] else "")
        return f"Going on from the checkpoint at {where}"

    def _cause(self) -> Event:
        """Return the end that explains all others."""
        ends = [rank.end for rank in self._ranks if rank.end is not None]
        wrong = [end for end in ends if end["state"] != "done"]
        if not wrong:
            return ends[0]
        own = [end for end in wrong if (end["error"] or {}).get("kind") not in ("peer", _OWN_END)]
        # What a cell did wrong says more than a signal, which may have come of it.
        own.sort(key=lambda end: (end["error"] or {}).get("kind") in _FAULTS)
        if own:
            return own[0]
        if len(wrong) < len(ends):
            message = (
                f"{wrong[0]['error']['message']} It had come to the end of the cell: every rank "
                "must call fit, evaluate and all_reduce as often."
            )
            return {
                **wrong[0],
                "error": {**wrong[0]["error"], "kind": "exception", "message": message},
            }
        error = {"kind": "worker-lost", "message": "the connection between its ranks broke"}
        return {**wrong[0], "error": error}

    def _described(self, rank: Rank, end: Event) -> Event:
        if end["error"] is None or self._shards == 1 or rank.end is not end:
            return end
        message = f"rank {rank.number} on worker {rank.worker}: {end['error']['message']}"
        return {**end, "values": [], "error": {**end["error"], "message": message}}


def _seed(folder: Path) -> int:
    """Return the seed of a run, the same whenever and wherever it goes on."""
    file = folder / FOLDER / "seed"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(secrets.randbelow(1 << 31)))
    return int(file.read_text())
