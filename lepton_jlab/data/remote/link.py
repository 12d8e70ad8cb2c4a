"""Asks a remote store for bytes: many at once, twice where it is slow, again where it fails."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

from lepton_jlab.data.remote.connect import connect, shown
from lepton_jlab.data.remote.faults import BrokenOffError, Fault, RefusedError, read_fault
from lepton_jlab.data.remote.gate import Gate
from lepton_jlab.data.remote.transfer import Transfer
from lepton_jlab.errors import DataError


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request is tried; times in seconds.

    Attributes
    ----------
    attempts
        Requests before giving up.
    pause, longest_pause
        Between the first two attempts, and at most; it doubles, and half of it is left to chance.
        Four times as long where the store says that it is busy.
    silence
        Without a byte, after which a request has failed.
    enough
        No further attempt after this time.
    """

    attempts: int = 6
    pause: float = 0.1
    longest_pause: float = 5.0
    silence: float = 10.0
    enough: float = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a store gave: bytes, and what identifies the object that they are of."""

    data: Any  # obstore.Bytes: has the buffer protocol
    meta: Mapping[str, Any]


_ASKS = 4  # requests for the same at a time, at most
_SLOW = 2.0  # times the usual, after which a request is made again beside the first
_DEVIATIONS = 6.0  # and beyond the usual by as many mean deviations
_SHORTEST = 0.2  # seconds that no request is blamed for
_UNKNOWN = 1.0  # seconds allowed until it is known what is usual
_KNOWN = 16  # requests after which it is
_LEARNING = 1 / 16

_used_by: list[int] = []  # the process in which obstore first ran


class Link:
    """The way to what is below one address.

    Parameters
    ----------
    address
        A URL of the schemes in `connect.EXTRAS`.
    patience
        How long a request is tried.
    """

    def __init__(self, address: str, patience: Patience) -> None:
        self.transfer = Transfer()
        self._address = shown(address)
        self._patience = patience
        self._client = connect(address, silence=patience.silence)
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, Gate] = WeakKeyDictionary()
        self._seen = 0
        self._usual = 0.0  # seconds of a request, lately
        self._deviation = 0.0  # mean of the difference from it
        self._extra = 0  # requests under way beside others for the same

    async def fetch(self, key: str, options: Mapping[str, Any] | None = None) -> Answer | None:
        """Return the object `key`, or the part that obstore's `options` say; None if there is none.

        Raises
        ------
        DataError
            When it cannot be had, after the last attempt. It names the address.
        RefusedError
            The same, where the store did not permit it.
        """
        from obstore.exceptions import BaseError

        self._check_process()
        gate = self._gate()
        start = time.monotonic()
        for attempt in range(1, self._patience.attempts + 1):
            await gate.enter()
            size = 0
            try:
                answer = await self._ask(key, dict(options or {}))
                size = len(answer.data)
            except FileNotFoundError:
                return None
            except (BaseError, OSError) as error:
                fault = read_fault(error, self._patience.silence)
                spent = time.monotonic() - start
                last = attempt == self._patience.attempts or spent > self._patience.enough
                if last or not fault.passing:
                    raise self._failure(key, fault, attempt, spent) from error
                if fault.busy:
                    gate.narrow()
            else:
                return answer
            finally:
                gate.leave(size)
            self.transfer.count(retries=1)
            await asyncio.sleep(self._pause(attempt, fault))
        raise AssertionError("the last attempt returns or raises")

    def _gate(self) -> Gate:
        loop = asyncio.get_running_loop()
        gate = self._gates.get(loop)
        if gate is None:
            gate = self._gates[loop] = Gate(self.transfer)
        return gate

    async def _ask(self, key: str, options: dict[str, Any]) -> Answer:
        """Ask, and ask again beside it while that takes far longer than usual; the first counts."""
        first = asyncio.ensure_future(self._ask_once(key, options))
        asked = {first}
        waiting = set(asked)
        allowance = self._allowance()
        try:
            while waiting:
                again = len(asked) < _ASKS and self._extra <= self.transfer.concurrency // 4
                done, waiting = await asyncio.wait(
                    waiting,
                    timeout=allowance if again else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if good := [task for task in done if not task.exception()]:
                    return good[0].result()
                if not done:
                    self._extra += 1
                    self.transfer.count(retries=1)
                    waiting.add(task := asyncio.ensure_future(self._ask_once(key, options)))
                    asked.add(task)
                    allowance *= 2
            return first.result()
        finally:
            self._extra -= len(asked) - 1
            for task in asked:
                if not task.done():
                    task.cancel()
                    task.add_done_callback(_forget_error)

    def _allowance(self) -> float:
        if self._seen < _KNOWN:
            return _UNKNOWN
        slow = max(_SLOW * self._usual, self._usual + _DEVIATIONS * self._deviation)
        return max(_SHORTEST, slow)

    async def _ask_once(self, key: str, options: dict[str, Any]) -> Answer:
        import obstore

        start = time.monotonic()
        size = 0
        try:
            result = await obstore.get_async(self._client, key, options=cast(Any, options or None))
            self.transfer.saw_latency(time.monotonic() - start)
            if options.get("head"):
                return Answer(b"", result.meta)
            data = await result.bytes_async()
            size = len(data)
            _check_whole(size, result, options)
        finally:
            taken = time.monotonic() - start
            self.transfer.count(requests=1, size=size, waited=taken)
        self._learn(taken)
        return Answer(data, result.meta)

    def _learn(self, taken: float) -> None:
        if self._seen == 0:
            self._usual, self._deviation = taken, taken / 2
        self._seen += 1
        self._deviation += _LEARNING * (abs(taken - self._usual) - self._deviation)
        self._usual += _LEARNING * (taken - self._usual)

    def _pause(self, attempt: int, fault: Fault) -> float:
        pause = self._patience.pause * 2 ** (attempt - 1) * (4 if fault.busy else 1)
        chance = random.uniform(0.5, 1.0)  # noqa: S311
        return float(min(pause, self._patience.longest_pause) * chance)

    def _failure(self, key: str, fault: Fault, attempts: int, spent: float) -> DataError:
        tried = f" Tried {attempts} times within {spent:.1f} s." if attempts > 1 else ""
        advice = fault.advice or "Try again later, or ask who runs the server."
        kind = RefusedError if fault.refused else DataError
        return kind(f"{self._address}/{key} cannot be read: {fault.reason}.{tried} {advice}")

    def _check_process(self) -> None:
        if not _used_by:
            _used_by.append(os.getpid())
        elif _used_by[0] != os.getpid():  # obstore's threads do not outlive a fork: it would hang
            raise DataError(
                f"{self._address} cannot be read in a process forked from one that has read remote "
                'data. Start it with multiprocessing.get_context("spawn") or "forkserver".'
            )


def _check_whole(size: int, result: Any, options: Mapping[str, Any]) -> None:
    start, stop = result.range
    asked = options.get("range")
    if isinstance(asked, tuple):
        stop = min(asked[1], result.meta["size"])
    elif asked is None:
        stop = result.meta["size"]
    if size < stop - start:
        raise BrokenOffError(f"{size:,} bytes came instead of {stop - start:,}")


def _forget_error(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()
