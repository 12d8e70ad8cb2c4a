"""1,000 workers and 100,000 runs on one host and one record store: what saturates first."""

from __future__ import annotations

import asyncio
import itertools
import resource
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from benchmarks.report import Figure, Result
from benchmarks.rounds import percentile, say

_SUBMISSION = 1_000  # runs of one submission of the load

_SPEC: dict[str, Any] = {
    "code": "x = i",
    "pull": [],
    "retries": 0,
    "timeout": None,
    "stall": None,
    "memory": None,
    "keep": None,
    "place": None,
    "budget": None,
    "energy": None,
    "payloads": [],
    "cwd": "/",
    "sys_path": [],
    "filename": None,
    "datasets": [],
    "sizes": {},
}


class _Hold(asyncio.Future[None]):
    """The task that holds a slot, as Dask's client has it."""

    def release(self) -> None:
        """Let go of it, wherever it is."""
        self.cancel()


class SimulatedBackend:
    """Workers that fork nothing: they hold slots, and a run is a wait of some seconds.

    The host's calls end here, one step before Dask's comm. So its processor time is that of the
    service, the slots, the journal and SQLite alone; what Dask adds is measured apart.
    """

    address = "simulated"

    def __init__(self, workers: int, seconds: float) -> None:
        from lepton_jlab.cluster.backend import WorkerFacts
        from lepton_jlab.runs.outbox import Outbox

        self._seconds = seconds
        self.wanted = workers
        self._facts = [WorkerFacts(f"sim://{n}", str(n), "sim", 1, 0) for n in range(workers)]
        self._outboxes = {facts.address: Outbox() for facts in self._facts}
        self._free = deque(self._outboxes)
        self._wanting: deque[tuple[str, _Hold]] = deque()
        self._held: dict[str, _Hold] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.client = SimpleNamespace(
            submit=self._submit,
            run=_answers,
            register_plugin=_nothing,
            unregister_worker_plugin=_nothing,
        )

    async def workers(self) -> list[Any]:
        """Return all of them."""
        return self._facts

    async def call(self, worker: str, handler: str, **arguments: Any) -> Any:
        """Answer as a worker's plugin does."""
        if handler == "lepton_events":
            return await self._outboxes[worker].take(arguments["acknowledged"], timeout=10.0)
        if handler == "lepton_start":
            task = asyncio.create_task(self._execute(worker, arguments["specs"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return {"missing": []}
        if handler == "lepton_release":
            if not (hold := self._held.pop(arguments["lease"])).done():
                hold.set_result(None)
            self._free.append(worker)
            self._place()
        return None

    def _submit(self, _function: Any, lease: str, **_more: Any) -> _Hold:
        """Hold a slot, as the task does that the host submits to Dask."""
        hold = _Hold()
        self._wanting.append((lease, hold))
        self._place()
        return hold

    def _place(self) -> None:
        while self._free and self._wanting:
            lease, hold = self._wanting.popleft()
            if not hold.done():
                self._held[lease] = hold
                worker = self._free.popleft()
                self._outboxes[worker].put({"type": "slot", "lease": lease})

    async def _execute(self, worker: str, specs: list[dict[str, Any]]) -> None:
        outbox = self._outboxes[worker]
        for spec in specs:
            run = spec["id"]
            outbox.put({"type": "begin", "run": run}, urgent=False)
            await asyncio.sleep(self._seconds)
            text = {"type": "text", "stream": "stdout", "text": f"{run}\n", "run": run}
            outbox.put(text, urgent=False)
            end = {"type": "end", "state": "done", "error": None, "values": [], "run": run}
            outbox.put({**end, "seconds": {"run": self._seconds}})


async def _nothing(*_arguments: Any) -> None:
    """Stand in for what registers plugins."""


async def _answers(*_arguments: Any) -> dict[str, Any]:
    """Stand in for what asks all workers: none has another environment."""
    return {}


def measure(rounds: int, quick: bool) -> Result:  # noqa: ARG001 (one run of this is many rounds)
    """Let the runs through once; then ask the records of as many."""
    workers, runs = (100, 2_000) if quick else (1_000, 100_000)
    found = asyncio.run(_load(workers, runs, seconds=1.0))
    found |= _questions()
    figures = [
        Figure(f"host's processor time a run, {workers:,} workers", found["run"], "ms"),
        Figure("runs a second that fill one core", 1e3 / found["run"], "/s"),
        Figure(f"submission of {_SUBMISSION:,} runs", found["submission"], "ms"),
        Figure("longest that the host answered nobody, p99", found["lag"], "ms"),
        Figure(f"page of 50 of {runs:,} runs", found["page"], "ms"),
        Figure(f"page of 50, {runs:,} of them queued", found["page, queued"], "ms"),
        Figure(f"all {runs:,} counted by state", found["counts"], "ms"),
        Figure("the host's memory", found["memory"], "MB"),
        Figure("a run in the records", found["record"], "bytes"),
    ]
    return Result(figures, {})


async def _load(workers: int, runs: int, seconds: float) -> dict[str, float]:
    """Submit runs in sweeps and wait for their end; return what it took, in ms."""
    from lepton_jlab.cluster.host import Host
    from lepton_jlab.cluster.plan import make_plan
    from lepton_jlab.config import data_folder, private_folder
    from lepton_jlab.runs.service import attach

    plan = make_plan("scale", "local", 1, 1, None, "1h", (None, None, None))
    host = Host(plan, lambda **_line: None)
    private_folder(host.scratch)
    host.backend = SimulatedBackend(workers, seconds)  # type: ignore[assignment]
    service = attach(host)
    await service.start()
    lags: list[float] = []
    watch = asyncio.create_task(_watch(lags))
    submissions = []
    begin, spent = time.monotonic(), time.process_time()
    for first in range(0, runs, _SUBMISSION):
        params = [{"i": first + n} for n in range(min(_SUBMISSION, runs - first))]
        start = time.process_time()
        await service.submit(_submission(), params, {**_SPEC, "name": None, "affinity": None})
        submissions.append(time.process_time() - start)
        await asyncio.sleep(0)
    while service.active():
        await asyncio.sleep(0.5)
        say(f"  {len(service._entries):,} left after {time.monotonic() - begin:.0f} s")
    say("")
    spent = time.process_time() - spent
    watch.cancel()
    await service.close()
    size = (data_folder() / "runs.sqlite").stat().st_size
    return {
        "run": 1e3 * spent / runs,
        "submission": 1e3 * sorted(submissions)[len(submissions) // 2],
        "lag": 1e3 * percentile(lags, 99),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "record": size / runs,
    }


def _questions() -> dict[str, float]:
    """Ask the records as lists in sidebar and terminal do; ms of processor time."""
    from lepton_jlab.runs import listing, records

    found = {"page": _ms(listing.listing), "counts": _ms(listing.counts)}
    with _all_queued(records):
        found["page, queued"] = _ms(listing.listing)
    return found


@contextmanager
def _all_queued(records: Any) -> Iterator[None]:
    """Make all runs wait, for a host that lives: this process."""
    import os

    import psutil

    with records._database() as database:
        mine = (os.getpid(), psutil.Process().create_time())
        database.execute("UPDATE submissions SET host_pid = ?, host_created = ?", mine)
        database.execute("UPDATE runs SET state = 'queued'")
    yield


def _ms(question: Callable[[], object]) -> float:
    spent = time.process_time()
    question()
    return 1e3 * (time.process_time() - spent)


async def _watch(lags: list[float]) -> None:
    """Note by how much the event loop is late."""
    for _ in itertools.count():
        begin = time.perf_counter()
        await asyncio.sleep(0.02)
        lags.append(time.perf_counter() - begin - 0.02)


def _submission() -> dict[str, Any]:
    common = {"name": None, "sweep": True, "code": "x = i", "options": _SPEC, "brought": []}
    return {**common, "notebook": None, "cell": None, "digest": "scale"}
