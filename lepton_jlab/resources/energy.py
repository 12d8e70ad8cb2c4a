"""The energy that runs use: of their GPUs by NVML, of the processor by RAPL, once a second.

A GPU is shared by all that have processes on it. Each pays for a second in proportion to the use of
the device by its processes, where the driver tells that, and else by their number; who alone holds
a device pays for it also while it rests. Of the processor, a run pays the part that its processes
have of all processor time of that second.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lepton_jlab.resources import nvml
from lepton_jlab.resources.rapl import Rapl

log = logging.getLogger("lepton.energy")

_STALE = 5.0  # seconds without an answer of the driver, after which what it would say is guessed
_PATIENCE = 0.5  # seconds for a last answer when a run has ended


@dataclass(slots=True)
class Part:
    """What an account has of one GPU.

    Attributes
    ----------
    name
        What the device is called.
    how
        ``"counter"``: by the device's own counter; ``"power"``: by its power, sampled;
        ``"held"``: its last power, while the driver does not answer; None: it tells neither.
    joules
        The energy so far.
    seconds
        How long the device was held, times its part of it.
    watts
        What it drew last, for this account.
    """

    name: str = ""
    how: str | None = None
    joules: float = 0.0
    seconds: float = 0.0
    watts: float = 0.0


@dataclass(eq=False, slots=True)
class Account:
    """What one run uses from the time it was opened.

    Attributes
    ----------
    spent
        Returns the processor seconds of its processes so far, all in all.
    pids
        Returns its processes.
    devices
        Its GPUs, as ``CUDA_VISIBLE_DEVICES`` names them.
    """

    spent: Callable[[], float]
    pids: Callable[[], Collection[int]]
    devices: Sequence[str] = ()
    opened: float = field(default_factory=time.monotonic)
    parts: dict[str, Part] = field(default_factory=dict)
    base: float = 0.0
    seen: float = 0.0
    joules: float | None = None  # of the processor, where that is measured
    ticked: float = 0.0

    def used(self) -> dict[str, Any]:
        """Return what it has used until now, as JSON has it.

        Returns
        -------
        dict
            ``seconds``; ``cpu``: ``core_seconds`` and ``joules`` (None where they are not
            measured); ``gpus``: by UUID ``name``, ``how``, ``joules`` and ``seconds``, see `Part`.
        """
        now = time.monotonic()
        late = now - self.ticked
        gpus = {}
        for uuid, part in list(self.parts.items()):
            told = {"name": part.name, "how": part.how}
            joules, seconds = part.joules, part.seconds
            if late > _STALE:
                told["how"] = part.how and "held"
                joules, seconds = joules + part.watts * late, seconds + late
            gpus[uuid] = {**told, "joules": round(joules, 3), "seconds": round(seconds, 3)}
        cpu = {"core_seconds": round(self.spent() - self.base, 4), "joules": self.joules}
        return {"seconds": round(now - self.opened, 3), "cpu": cpu, "gpus": gpus}


class EnergyMeter:
    """Fills accounts, in one thread; without GPUs and RAPL there is none.

    Parameters
    ----------
    interval : float
        Seconds between two looks.
    rapl : Rapl
        Of the machine.
    """

    def __init__(self, interval: float = 1.0, rapl: Rapl | None = None) -> None:
        self._interval = interval
        self._rapl = Rapl() if rapl is None else rapl
        self._condition = threading.Condition()
        self._accounts: list[Account] = []
        self._asked = 0
        self._answered = 0
        self._thread: threading.Thread | None = None
        self._gpus: dict[str, _Gpu] = {}
        self._processor = 0.0, 0.0  # joules and busy seconds at the last look

    def open(
        self,
        spent: Callable[[], float],
        pids: Callable[[], Collection[int]],
        devices: Sequence[str] = (),
    ) -> Account:
        """Open an account; see `Account`."""
        account = Account(spent, pids, tuple(devices))
        account.base = account.seen = spent()
        account.ticked = account.opened
        if self._rapl or account.devices:
            with self._condition:
                self._accounts.append(account)
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._work, name="lepton-energy", daemon=True
                    )
                    self._thread.start()
                self._ask()
        return account

    async def close(self, account: Account) -> dict[str, Any]:
        """Close an account and return what it has used; who has GPUs waits for a last look."""
        if account in self._accounts:
            await asyncio.to_thread(self.look, _PATIENCE)
            with self._condition:
                self._accounts.remove(account)
        return account.used()

    def look(self, patience: float = _PATIENCE) -> None:
        """Bring all accounts up to date, if the driver answers within `patience` seconds."""
        with self._condition:
            asked = self._ask()
            self._condition.wait_for(lambda: self._answered >= asked, patience)

    def _ask(self) -> int:
        self._asked += 1
        self._condition.notify_all()
        return self._asked

    def _work(self) -> None:
        while True:
            with self._condition:
                waits = self._interval if self._accounts else None
                self._condition.wait_for(lambda: self._asked > self._answered, waits)
                asked, accounts = self._asked, list(self._accounts)
            try:
                self._tick(accounts)
            except Exception:
                log.exception("energy could not be read")
            with self._condition:
                self._answered = asked
                self._condition.notify_all()

    def _tick(self, accounts: Sequence[Account]) -> None:
        if self._rapl:
            self._share_processor(accounts)
        names = {name for account in accounts for name in account.devices}
        for gone in set(self._gpus) - names:  # its baseline would be old when it comes again
            del self._gpus[gone]
        for name in names:
            gpu = self._gpus.get(name)
            if gpu is None:
                gpu = self._gpus[name] = _Gpu(name)
            gpu.charge([account for account in accounts if name in account.devices])
        now = time.monotonic()
        for account in accounts:
            account.ticked = now

    def _share_processor(self, accounts: Sequence[Account]) -> None:
        joules, busy = self._rapl.joules(), _busy()
        before, self._processor = self._processor, (joules, busy)
        passed = busy - before[1]
        for account in accounts:
            spent = account.spent()
            if account.joules is None:  # its first look
                account.joules = 0.0
            elif passed > 0:
                own = min(1.0, (spent - account.seen) / passed)
                account.joules += own * (joules - before[0])
            account.seen = spent


class _Gpu:
    """A GPU that accounts hold, or an instance of one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: tuple[Any, Any, float] | None = None
        self._uuid = self._called = name
        self._before: tuple[float, float | None, float | None] | None = None
        self._since = 0
        self._known: set[Account] = set()

    def charge(self, accounts: Sequence[Account]) -> None:
        """Charge the energy since the last look to those who have held the device since then."""
        try:
            import pynvml
        except ImportError:
            return
        try:
            if self._found is None:
                pynvml.nvmlInit()
                self._found = nvml.device(self._name)
                self._uuid = (
                    nvml.text(nvml.maybe("nvmlDeviceGetUUID", self._found[0])) or self._name
                )
                self._called = nvml.text(nvml.maybe("nvmlDeviceGetName", self._found[0]))
            handle, whole, part = self._found
            now, counted, drawn = time.monotonic(), nvml.joules(whole), nvml.watts(whole)
            shares = self._shares(handle, accounts)
        except pynvml.NVMLError:  # it is lost: what it has used until then stands
            self._found = self._before = None
            self._known.clear()
            return
        before, self._before = self._before, (now, counted, drawn)
        held, self._known = self._known, set(accounts)
        if before is None:
            return
        passed = now - before[0]
        how, joules = None, 0.0
        if counted is not None and before[1] is not None and counted >= before[1]:
            how, joules = "counter", counted - before[1]
        elif drawn is not None and before[2] is not None:
            how, joules = "power", passed * (drawn + before[2]) / 2
        for account, share in zip(accounts, shares, strict=True):
            if account not in held:
                continue  # it begins with this look
            own = account.parts.setdefault(self._uuid, Part(self._called))
            own.how = how or own.how
            own.joules += part * share * joules
            own.seconds += share * passed
            own.watts = part * share * joules / passed if passed > 0 else 0.0

    def _shares(self, handle: Any, accounts: Sequence[Account]) -> list[float]:
        use, self._since = nvml.use_by_process(handle, self._since)
        present = {process["pid"] for process in nvml.processes(handle)}
        own = [set(account.pids()) for account in accounts]
        return shares(own, present, use)


def shares(
    own: Sequence[Collection[int]], present: Collection[int], use: dict[int, float]
) -> list[float]:
    """Divide a device among those who hold it.

    Parameters
    ----------
    own
        The processes of each who holds it.
    present
        All processes that are on it.
    use
        How much each process uses it, where the driver tells.

    Examples
    --------
    >>> shares([{1}, {2, 3}], {1, 2, 3}, {})
    [0.3333333333333333, 0.6666666666666666]
    >>> shares([{1}], {1, 9}, {1: 30.0, 9: 10.0})
    [0.75]
    >>> shares([{1}, {2}], set(), {})
    [0.5, 0.5]
    """
    if (total := sum(use.values())) > 0 and any(pid in use for pids in own for pid in pids):
        return [sum(use.get(pid, 0.0) for pid in pids) / total for pids in own]
    mine = [sum(pid in present for pid in pids) for pids in own]
    if any(mine):
        return [count / len(present) for count in mine]
    # Nothing of theirs is on it yet; or this is a container, where the driver's pids mean nothing.
    return [1 / max(len(own), len(present))] * len(own)


def _busy() -> float:
    """Return the seconds that all processors of the machine have worked."""
    import psutil

    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # in user and nice
    return float(sum(times) - idle - guests)


@cache
def energy_meter() -> EnergyMeter:
    """Return this process's meter."""
    return EnergyMeter()
