"""One execution of a run on a worker: its limits, how it is stopped, and how its end is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from lepton_jlab.errors import ClusterError
from lepton_jlab.resources.energy import energy_meter
from lepton_jlab.runs.child.limits import private_bytes
from lepton_jlab.runs.forkserver import describe_exit
from lepton_jlab.runs.meter import ProcessMeter, machine
from lepton_jlab.runs.outbox import Outbox
from lepton_jlab.runs.process import Process
from lepton_jlab.runs.words import duration, size

_LOOK = 0.25  # seconds between two looks at a run's limits
_TELL = 2.0  # seconds between two words on what it has used


class Attempt:
    """Executes one specification in a child and reports to an outbox.

    Parameters
    ----------
    spec : dict
        What the host sent: the cell and its limits.
    process : Process
        A waiting child.
    outbox : Outbox
        Where everything that the run says goes.
    grace : float
        Seconds between an interrupt and the kill.
    devices : sequence of str
        The GPUs that it sees, as ``CUDA_VISIBLE_DEVICES`` names them.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        process: Process,
        outbox: Outbox,
        grace: float,
        devices: Sequence[str] = (),
    ) -> None:
        self._spec = spec
        self._process = process
        self._outbox = outbox
        self._grace = grace
        self._last_sign = time.monotonic()
        self._begun: float | None = None
        self._reason: dict[str, str] | None = None
        self._killer: asyncio.TimerHandle | None = None
        self._resuming: asyncio.Task[None] | None = None
        self._meter = ProcessMeter(process.child.pid)
        self._account = energy_meter().open(self._meter.spent, self._meter.pids, devices)
        self._teller: asyncio.TimerHandle | None = None

    def usage(self) -> dict[str, Any]:
        """Return what it uses, as `ProcessMeter.read` does."""
        return self._meter.read()

    async def run(self) -> tuple[dict[str, Any], bool]:
        """Execute; return the ``end`` message and whether the child can take another cell."""
        watch = asyncio.create_task(self._watch())
        self._tell_later()
        try:
            end = await self._process.execute(self._spec, self)
            kept = end is not None and self._spec.get("keep") is not None
            if end is None:
                end = await self._describe_death()
            else:
                self._meter.said(end["cpu"])
        finally:
            watch.cancel()
            if self._killer is not None:
                self._killer.cancel()
            if self._resuming is not None:
                self._resuming.cancel()
            if self._teller is not None:
                self._teller.cancel()
            used = await energy_meter().close(self._account)
        return {**self._final(end), "used": self._by(used)}, kept

    def stop(self, reason: dict[str, str], force: bool = False) -> None:
        """End the run: interrupt it, and kill it when it has not ended after the grace.

        Parameters
        ----------
        reason : dict
            What its record will say: ``{"kind": …, "message": …}``; kind ``cancel`` for a user.
        force : bool
            Kill at once.
        """
        self._reason = self._reason or reason
        if force or self._begun is None:
            self._process.child.kill()
            return
        self._process.child.interrupt()
        if self._killer is None:
            loop = asyncio.get_running_loop()
            self._killer = loop.call_later(self._grace, self._process.child.kill)

    @property
    def over(self) -> bool:
        """Whether its child has ended."""
        return self._process.child.ended

    def give_notice(self) -> bool:
        """Tell a run that makes checkpoints that it must leave; return whether it is one."""
        heeds = (self._spec.get("replica") or {}).get("checkpoint") is not None
        if heeds and self._begun is not None:
            self._process.child.terminate()
        return heeds and self._begun is not None

    async def tell(self, message: dict[str, Any]) -> None:
        """Give the child a message that it waits for."""
        await self._process.tell(message)

    def text(self, stream: str, text: str) -> None:
        """Take a piece of the child's output."""
        self._last_sign = time.monotonic()
        event = {"type": "text", "stream": stream, "text": text, "run": self._spec["id"]}
        self._outbox.put(event, len(text), urgent=False)

    def message(self, message: dict[str, Any]) -> None:
        """Take a message of the child."""
        self._last_sign = time.monotonic()
        if message["type"] == "begin":
            self._begun = self._last_sign
        display = message["type"] == "display"
        weight = sum(len(str(part)) for part in message["data"].values()) if display else 200
        urgent = message["type"] not in ("begin", "metrics", "progress")
        self._outbox.put({**message, "run": self._spec["id"]}, weight, urgent)

    def may_read(self) -> bool:
        """Tell whether the outbox has room; when it has none, reading resumes as soon as it has."""
        if not self._outbox.full():
            return True
        if self._resuming is None or self._resuming.done():
            self._resuming = asyncio.create_task(self._resume())
        return False

    async def _resume(self) -> None:
        await self._outbox.room()
        self._process.resume()

    def _tell_later(self) -> None:
        self._teller = asyncio.get_running_loop().call_later(_TELL, self._tell)

    def _tell(self) -> None:
        """Report what it has used until now."""
        used = self._by(self._account.used())
        self._outbox.put({"type": "used", "run": self._spec["id"], "used": used}, 200, urgent=False)
        self._tell_later()

    def _by(self, used: dict[str, Any]) -> dict[str, Any]:
        return {**used, "by": f"{machine()}/{self._process.child.pid}"}

    async def _watch(self) -> None:
        memory, timeout, stall = (self._spec.get(key) for key in ("memory", "timeout", "stall"))
        base = private_bytes(self._process.child.pid) if memory else 0
        while self._reason is None and (memory or timeout or stall):
            await asyncio.sleep(_LOOK)
            if self._begun is None:
                self._last_sign = time.monotonic()
                continue
            now = time.monotonic()
            if memory and (used := _used(self._process.child.pid, base)) > memory:
                self.stop(memory_error(memory, used), force=True)
            elif timeout and now - self._begun > timeout:
                message = f"still running after --timeout {duration(timeout)}"
                self.stop({"kind": "timeout", "message": message})
            elif stall and now - self._last_sign > stall:
                message = f"no output and no training step in --stall {duration(stall)}"
                self.stop({"kind": "stall", "message": message})

    async def _describe_death(self) -> dict[str, Any]:
        try:
            exit_ = await self._process.child.status()
        except ClusterError as error:
            return failed("worker-lost", str(error))
        self._meter.said(exit_.cpu)
        return failed(**describe_exit(exit_.status, exit_.oom))

    def _final(self, end: dict[str, Any]) -> dict[str, Any]:
        if self._reason is None or end["state"] == "done":
            return end
        if self._reason["kind"] == "cancel":
            return {**end, "state": "cancelled", "error": None}
        if self._reason["kind"] == "budget":
            return {**end, "state": "cancelled", "error": self._reason}
        return {**end, "state": "failed", "error": {**(end["error"] or {}), **self._reason}}


def memory_error(limit: int, used: int) -> dict[str, str]:
    """Say that a run took more memory (bytes) than it was allowed."""
    return {
        "kind": "memory",
        "message": f"the run used {size(used)}, over its limit of --memory {size(limit)}",
    }


def failed(kind: str, message: str) -> dict[str, Any]:
    """Make the end message of a run that could not say one itself."""
    error = {"kind": kind, "message": message}
    return {"type": "end", "state": "failed", "error": error, "values": [], "seconds": {}}


def _used(pid: int, base: int) -> int:
    try:
        return private_bytes(pid) - base
    except OSError:
        return 0
