"""Threads for calls that may take a while: bounded, so that what hangs holds up nothing else."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from lepton_jlab.errors import LeptonError

_PER_KEY = 2  # calls under way for one cluster
_WAITING = 32  # calls that may wait for a thread

Job = tuple[Future[Any], Callable[[], Any]]


class BusyError(LeptonError):
    """Too many calls are under way already."""


class LateError(LeptonError):
    """A call has not come to its end in its time."""


class Pool:
    """A few daemon threads: one that hangs for ever does not keep the server from ending.

    Parameters
    ----------
    name : str
        Of its threads.
    threads : int
        At most; each is started when it is needed.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._limit = threads
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._under_way = 0

    def submit(self, work: Callable[[], Any], waiting: int | None = _WAITING) -> Future[Any]:
        """Have a thread do `work`.

        Raises
        ------
        BusyError
            When `waiting` others wait for a thread already.
        """
        with self._lock:
            if waiting is not None and self._under_way >= self._limit + waiting:
                raise BusyError("The server is busy with calls that do not end. Try again later.")
            self._under_way += 1
            if self._threads < min(self._under_way, self._limit):
                self._threads += 1
                name = f"lepton-{self._name}-{self._threads}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        future: Future[Any] = Future()
        self._jobs.put((future, work))
        return future

    def _work(self) -> None:
        while True:
            future, work = self._jobs.get()
            try:
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(work())
                    except BaseException as error:  # noqa: BLE001 (it belongs to who asked)
                        future.set_exception(error)
            finally:
                with self._lock:
                    self._under_way -= 1
            del future, work  # nothing is held while it waits


class Pools:
    """The pools of a server; each kind of call has its own, so that none starves another."""

    def __init__(self) -> None:
        self._pools = {
            "records": Pool("records", 4),  # SQLite and files of records
            "clusters": Pool("clusters", 8),
            "runs": Pool("runs", 4),  # what asks the host of a run
            "data": Pool("data", 4),
            "models": Pool("models", 4),
        }
        self._keys: Counter[str] = Counter()

    async def call(
        self, pool: str, limit: float, work: Callable[[], Any], key: str | None = None
    ) -> Any:
        """Return what `work` returns, done in a thread.

        Parameters
        ----------
        limit
            Seconds.
        key
            What it is about: of one key only few are under way at a time.

        Raises
        ------
        LateError
            When it has not ended in time; it goes on, and its thread is busy.
        BusyError
            When too many calls are under way.
        """
        from lepton_jlab.cluster.channel import answers_within

        if key is not None and self._keys[key] >= _PER_KEY:
            raise BusyError(f"{key!r} has not answered earlier calls yet. Try again later.")

        context = contextvars.copy_context()
        context.run(answers_within.set, limit)
        future = self._pools[pool].submit(lambda: context.run(work))
        if key is not None:
            self._keys[key] += 1
            loop = asyncio.get_running_loop()
            future.add_done_callback(lambda _: _soon(loop, self._release, key))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), limit)
        except TimeoutError:
            raise LateError(f"No answer in {limit:g} s. Look at it again in a moment.") from None

    def _release(self, key: str) -> None:
        self._keys[key] -= 1
        if not self._keys[key]:
            del self._keys[key]


def _soon(loop: asyncio.AbstractEventLoop, do: Callable[..., object], *args: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(do, *args)
