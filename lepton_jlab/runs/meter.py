"""What a run uses of its machine: the processor time and the memory of its processes."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from platform import node
from typing import Any

import psutil

from lepton_jlab.runs.child.limits import private_bytes

_TREE = 5.0  # seconds between two walks over all processes, which take 2 ms each


class ProcessMeter:
    """Measures a run child and what it has started.

    Parameters
    ----------
    pid : int
        The child, before its cell begins: the pages that it shares with its fork server are not
        counted.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._members: dict[int, psutil.Process] = {}
        self._spent: dict[int, float] = {}
        self._looked = time.monotonic()
        self._walk = self._looked
        self._base = 0
        with suppress(OSError, psutil.Error):
            self._members[pid] = psutil.Process(pid)
            self._spent[pid] = _seconds(self._members[pid])
            self._base = private_bytes(pid)

    def read(self) -> dict[str, Any]:
        """Return ``cpu`` (percent of a core since the last call), ``memory`` (bytes), ``pid``."""
        now = time.monotonic()
        if now - self._walk > _TREE:
            self._walk = now
            self._find()
        spent = used = 0.0
        for pid, process in list(self._members.items()):
            try:
                seconds, memory = _seconds(process), private_bytes(pid)
            except (OSError, psutil.Error):
                del self._members[pid]
                continue
            spent += seconds - self._spent.get(pid, 0.0)
            self._spent[pid] = seconds
            used += max(0, memory - self._base) if pid == self._pid else memory
        passed, self._looked = now - self._looked, now
        cpu = 100 * spent / passed if passed > 0 else 0.0
        return {"cpu": cpu, "memory": int(used), "pid": self._pid, "machine": machine()}

    def _find(self) -> None:
        """Learn which processes the run has started; those known keep what they have spent."""
        with suppress(psutil.Error):
            for process in psutil.Process(self._pid).children(recursive=True):
                self._members.setdefault(process.pid, process)


@cache
def machine() -> str:
    """Return a name that processes share if and only if they can see each other's pids."""
    known = [node()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with suppress(OSError):
            link = Path(path)
            known.append(str(link.readlink()) if link.is_symlink() else link.read_text())
    return sha256(" ".join(known).encode()).hexdigest()[:16]


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
