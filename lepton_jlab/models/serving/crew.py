"""The workers that serve one version: started together, watched, replaced when they die."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from lepton_jlab import errors
from lepton_jlab.errors import LeptonError
from lepton_jlab.models.serving import frames
from lepton_jlab.models.serving.desk import Job
from lepton_jlab.models.serving.plan import Work

log = logging.getLogger("lepton.endpoint")

_PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 15.0)  # s before the next start of a worker that does not live
_DEAF = 2.0  # s in which a worker with async functions has to answer whether it listens
_GRACE = 5.0  # s for a worker to end by itself


class Worker(asyncio.Protocol):
    """One worker process, as the endpoint sees it."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._splitter = frames.Splitter()
        self.jobs: dict[int, Job] = {}
        self.since = 0.0
        self.probed: float | None = None
        self.ready: asyncio.Future[dict[str, Any]] = crew.loop.create_future()
        self.facts: dict[str, Any] = {}

    async def start(self, work: Work) -> dict[str, Any]:
        """Start the process and wait until it is warm.

        Raises
        ------
        LeptonError
            What it could not load, or that it died.
        """
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):  # a batch of large requests in few writes
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 2**20)
        environment = {**os.environ, **_share(work.threads), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lepton_jlab.models.serving.worker", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=environment,
        )
        theirs.close()
        ours.setblocking(False)
        self._transport, _ = await self._crew.loop.create_connection(lambda: self, sock=ours)
        self._transport.write(frames.pack(dataclasses.asdict(work)))
        self.facts = await self.ready
        return self.facts

    @property
    def pid(self) -> int:
        return self.process.pid

    def hand(self, jobs: list[Job]) -> None:
        """Give it requests to answer."""
        self.since = time.monotonic()
        for job in jobs:
            self.jobs[job.number] = job
        handed = [(job.number, job.verb, job.body, job.header) for job in jobs]
        self._transport.write(frames.pack(handed))

    def probe(self) -> None:
        """Ask whether it still listens; it answers a batch of nothing at once."""
        if self.probed is None:
            self.probed = time.monotonic()
            self._transport.write(frames.pack([]))

    def data_received(self, data: bytes) -> None:
        self.probed = None
        for message in self._splitter.feed(data):
            kind = message[0]
            if kind == "done":
                _, rows, took, answers = message
                done = [(self.jobs.pop(number, None), answer) for number, *answer in answers]
                self.since = time.monotonic()
                self._crew.done(self, rows, took, done)
            elif kind == "ready":
                self.ready.set_result(message[1])
            elif kind == "failed" and not self.ready.done():
                error = getattr(errors, message[2], LeptonError)
                self.ready.set_exception(error(message[1]))

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(LeptonError("A worker died while it was loading."))
            self.ready.exception()  # whoever started it may have gone
        self._crew.lost(self)

    async def end(self) -> None:
        """Let it go: it ends when nobody speaks to it any more."""
        with contextlib.suppress(AttributeError):  # never connected
            self._transport.close()
        end = time.monotonic() + _GRACE
        while self.process.poll() is None and time.monotonic() < end:
            await asyncio.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        """End it now."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def _share(threads: int) -> dict[str, str]:
    """Keep numerical libraries to a worker's share of the cores."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {name: os.environ.get(name, str(threads)) for name in names}


class Crew:
    """The workers of one version.

    Parameters
    ----------
    on_free
        Called when a worker can take requests.
    on_done
        Called with what a worker has answered.
    on_lost
        Called with the requests that a dead worker had.
    """

    def __init__(
        self,
        work: Work,
        count: int,
        on_free: Callable[[], None],
        on_done: Callable[[int, float, list[Any]], None],
        on_lost: Callable[[list[Job]], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.work = work
        self.count = count
        self.window = 1
        self.facts: dict[str, Any] = {}
        self.deaths = 0
        self._on_free = on_free
        self._on_done = on_done
        self._on_lost = on_lost
        self._free: list[Worker] = []
        self.workers: list[Worker] = []
        self._retired = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start all workers; if one cannot load, none is left."""
        starts = [asyncio.ensure_future(self._one()) for _ in range(self.count)]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            self._retired = True
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            raise

    async def _one(self) -> None:
        worker = Worker(self)
        try:
            self.facts = await worker.start(self.work)
        except BaseException:
            if hasattr(worker, "process"):
                worker.kill()
            raise
        self.window = self.facts.get("window", 1)
        self.workers.append(worker)
        self._free.append(worker)
        self._on_free()

    def take(self) -> Worker | None:
        """Return a worker that can take requests, or None; the one that waited last is warmest."""
        return self._free.pop() if self._free else None

    def handed(self, worker: Worker) -> None:
        """Note that a worker was given requests."""
        if len(worker.jobs) < self.window:
            self._free.append(worker)

    def done(self, worker: Worker, rows: int, took: float, answers: list[Any]) -> None:
        """Take a worker's answers; it gets its next requests before these are written."""
        if worker not in self._free and len(worker.jobs) < self.window and worker in self.workers:
            self._free.append(worker)
            self._on_free()
        self._on_done(rows, took, answers)

    def lost(self, worker: Worker) -> None:
        """Replace a worker that died, and give back what it had."""
        if worker in self._free:
            self._free.remove(worker)
        if worker in self.workers:
            self.workers.remove(worker)
            if not self._retired:
                self.deaths += 1
                status = worker.process.wait()
                log.warning("worker %d died with status %s; starting another", worker.pid, status)
                self._later(self._replace())
        jobs, worker.jobs = list(worker.jobs.values()), {}
        if jobs:
            self._on_lost(jobs)

    async def _replace(self) -> None:
        attempt = 0
        while not self._retired:
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            try:
                await self._one()
            except LeptonError as error:
                log.warning("a new worker could not start: %s", error)
                attempt += 1
            else:
                return

    def stuck(self, seconds: float) -> list[Worker]:
        """Return the workers that have been at one batch for longer than this.

        Those with async functions may be at a request for long; they are stuck when they do not
        hear.
        """
        now = time.monotonic()
        if self.window > 1:
            return [w for w in self.workers if w.probed is not None and now - w.probed > _DEAF]
        return [worker for worker in self.workers if worker.jobs and now - worker.since > seconds]

    async def retire(self) -> None:
        """Let the workers answer what they have, then end them."""
        self._retired = True
        self._free.clear()
        for task in self._tasks:
            task.cancel()
        while any(worker.jobs for worker in self.workers):
            await asyncio.sleep(0.01)
        await asyncio.gather(*(worker.end() for worker in list(self.workers)))

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
