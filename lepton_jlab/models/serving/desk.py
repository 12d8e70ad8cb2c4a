"""The desk: takes requests in, hands them out in batches as workers become free, never waits."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lepton_jlab.models.serving.http import Answer, Request, refuse

if TYPE_CHECKING:
    from lepton_jlab.models.serving.crew import Crew
    from lepton_jlab.models.serving.metrics import Metrics

_JOBS = 64  # handed out together
_BYTES = 16 * 2**20  # of bodies handed out together, or one request alone
_LOOK = 0.1  # s between two looks at who waits too long
_DEATHS = 3  # of workers, with which a request is given up


@dataclass(slots=True, eq=False)
class Job:
    """A request for a worker.

    Attributes
    ----------
    version
        Which version it insists on, or None.
    header
        Bytes of JSON before binary tensors, or -1.
    deaths
        How many workers died with it; it is handed out alone from the first one on.
    """

    number: int
    verb: str
    body: bytes
    header: int
    version: int | None
    request: Request
    began: float
    deaths: int = 0


class Desk:
    """The queue before the workers of the version that is served now.

    Parameters
    ----------
    limit
        Requests that may wait.
    timeout
        Seconds from arrival to answer.
    """

    def __init__(self, limit: int, timeout: float, metrics: Metrics) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._timeout = timeout
        self._metrics = metrics
        self._numbers = itertools.count()
        self._queue: deque[Job] = deque()
        self._planned = False
        self.crew: Crew | None = None
        self.crews: set[Crew] = set()  # also those that end
        self.last = time.monotonic()
        self._timer = self._loop.call_later(_LOOK, self._look)

    def __len__(self) -> int:
        return len(self._queue)

    def adjust(self, limit: int, timeout: float) -> None:
        """Hold other limits from now on."""
        self._limit = limit
        self._timeout = timeout

    def serve(self, crew: Crew) -> None:
        """Hand out to `crew` from now on."""
        self.crew = crew
        self.crews.add(crew)
        self._hand_out()

    def take(self, request: Request, verb: str, version: int | None, header: int) -> Answer | None:
        """Queue a request; an answer only where there is no room."""
        if len(self._queue) >= self._limit:
            message = f"{len(self._queue)} requests wait already. Try again later."
            return refuse(503, message, (b"retry-after", b"1"))
        self.last = time.monotonic()
        self._queue.append(
            Job(next(self._numbers), verb, request.body, header, version, request, self.last)
        )
        if not self._planned:
            # What arrives in the same moment goes together; nothing waits for anything to come.
            self._planned = True
            self._loop.call_soon(self._planned_hand_out)
        return None

    def _planned_hand_out(self) -> None:
        self._planned = False
        self._hand_out()

    def _hand_out(self) -> None:
        while self._queue and self.crew is not None:
            worker = self.crew.take()
            if worker is None:
                return
            room = (
                min(_JOBS, self.crew.window - len(worker.jobs)) if self.crew.window > 1 else _JOBS
            )
            jobs = self._next(room)
            if jobs:
                worker.hand(jobs)
            self.crew.handed(worker)

    def _next(self, most: int) -> list[Job]:
        """Take the next requests off the queue."""
        assert self.crew is not None
        jobs: list[Job] = []
        size = 0
        while self._queue and len(jobs) < most:
            job = self._queue[0]
            size += len(job.body)
            if jobs and (size > _BYTES or job.deaths or jobs[-1].deaths):
                break
            self._queue.popleft()
            if job.request.gone:
                continue
            if job.version is not None and job.version != self.crew.work.version:
                self._answer(job, unknown_version(self.crew.work.model, job.version))
                continue
            jobs.append(job)
        return jobs

    def on_free(self) -> None:
        """A worker can take more."""
        self._hand_out()

    def on_done(self, rows: int, took: float, answers: list[Any]) -> None:
        """Give answers to those who wait for them."""
        self._metrics.batch(rows, took)
        for job, (status, body, kind, headers) in answers:
            if job is not None:
                self._answer(job, Answer(status, body, kind, headers))

    def on_lost(self, jobs: list[Job]) -> None:
        """Hand out again what a dead worker had; what they die of is given up."""
        for job in reversed(jobs):
            job.deaths += 1
            if job.deaths >= _DEATHS:
                self._answer(job, refuse(500, "Workers died while they answered this request."))
            else:
                self._queue.appendleft(job)
        self._hand_out()

    def _answer(self, job: Job, answer: Answer) -> None:
        self._metrics.answered(job.verb, answer.status, time.monotonic() - job.began)
        if not job.request.gone:
            job.request.respond(answer)

    def _look(self) -> None:
        """Answer who has waited too long; end workers that are stuck."""
        late = time.monotonic() - self._timeout
        text = f"Not answered within {self._timeout:g} s."
        while self._queue and self._queue[0].began < late:
            job = self._queue.popleft()
            self._answer(job, refuse(504, text))
        for crew in list(self.crews):
            stuck = crew.stuck(self._timeout)
            several = crew.window > 1  # at a time: one of them may be late alone
            for worker in crew.workers if several else stuck:
                for job in [job for job in worker.jobs.values() if job.began < late + _LOOK]:
                    del worker.jobs[job.number]
                    self._answer(job, refuse(504, text))
                    if several:
                        worker.probe()
            for worker in stuck:
                worker.kill()
        self._timer = self._loop.call_later(_LOOK, self._look)

    async def empty(self) -> None:
        """Wait until nobody waits for an answer."""
        while self._queue or any(w.jobs for crew in self.crews for w in crew.workers):
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """Stop looking."""
        self._timer.cancel()


def unknown_version(model: str, version: int) -> Answer:
    """Say in TensorFlow Serving's words that a version is not served."""
    return refuse(404, f"Servable not found for request: Specific({model}, {version})")
