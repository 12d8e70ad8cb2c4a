"""The workers of a cluster, as its host listens to them: who is there, and what each reports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from lepton_jlab.cluster.backend import Backend, WorkerFacts

LOOK = 0.5  # seconds between two looks at which workers there are


class Workers:
    """Listens to every worker that there is, and calls them.

    Attributes
    ----------
    facts : dict of str to WorkerFacts
        The workers at the last look, by address.
    slots : int
        How many runs they take at once; counted once, as each event asks for it.
    """

    def __init__(self, backend: Backend) -> None:
        self.facts: dict[str, WorkerFacts] = {}
        self.slots = 0
        self._backend = backend
        self._heard: Callable[[str, list[dict[str, Any]]], None]
        self._lost: Callable[[str], None]
        self._polls: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(
        self,
        heard: Callable[[str, list[dict[str, Any]]], None],
        lost: Callable[[str], None],
    ) -> None:
        """Say who takes what a worker reports, and who is told that one is gone."""
        self._heard, self._lost = heard, lost

    async def look(self) -> None:
        """Learn which workers there are, and listen to each."""
        self.facts = {w.address: w for w in await self._backend.workers()}
        self.slots = sum(w.slots for w in self.facts.values())
        for worker in self.facts:
            if worker not in self._polls:
                self._polls[worker] = asyncio.create_task(self._poll(worker))

    async def _poll(self, worker: str) -> None:
        """Take what `worker` reports, as long as the scheduler knows it."""
        number = 0
        while worker in self.facts:
            try:
                answer = await self._backend.call(worker, "lepton_events", acknowledged=number)
            except (OSError, KeyError, AttributeError):
                break
            if answer is None:  # it has just come, and has no such handler yet
                await asyncio.sleep(LOOK)
            elif answer["number"] != number:
                number = answer["number"]
                self._heard(worker, answer["events"])
        self.lose(worker)

    def lose(self, worker: str) -> None:
        """Take a worker for gone."""
        if (gone := self.facts.pop(worker, None)) is not None:
            self.slots -= gone.slots
        poll = self._polls.pop(worker, None)
        if poll is not None and poll is not asyncio.current_task():
            poll.cancel()
        self._lost(worker)

    def hear(self, worker: str, events: list[dict[str, Any]]) -> None:
        """Take `events` as if the worker had reported them: it could not do so itself."""
        self._heard(worker, events)

    async def call(self, worker: str, handler: str, **arguments: Any) -> None:
        """Call ``lepton_<handler>`` of a worker; one that does not answer is gone."""
        try:
            await self._backend.call(worker, f"lepton_{handler}", **arguments)
        except (OSError, KeyError):
            self.lose(worker)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside all else, until it is done or the cluster ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> None:
        """Listen to none, and end what was spawned."""
        for task in (*self._polls.values(), *self._tasks):
            task.cancel()
