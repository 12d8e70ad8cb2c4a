"""What a run uses of its machine: the processor time and the memory of its processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
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
        self._lock = threading.Lock()  # heartbeats ask, and the thread that measures energy
        self._before = self._seen = self._gone = self._said = 0.0
        self._looked = time.monotonic()
        self._walk = self._looked
        self._base = 0
        with suppress(OSError, psutil.Error):
            self._members[pid] = psutil.Process(pid)
            self._before = self._seen = _seconds(self._members[pid])
            self._base = private_bytes(pid)

    def read(self) -> dict[str, Any]:
        """Return ``cpu`` (percent of a core since the last call), ``memory`` (bytes), ``pid``."""
        now, spent, used = time.monotonic(), self.spent(), 0
        for pid in self.pids():
            with suppress(OSError, psutil.Error):  # it has ended
                memory = private_bytes(pid)
                used += max(0, memory - self._base) if pid == self._pid else memory
        passed, self._looked = now - self._looked, now
        cpu = 100 * (spent - self._before) / passed if passed > 0 else 0.0
        self._before = spent
        return {"cpu": cpu, "memory": used, "pid": self._pid, "machine": machine()}

    def spent(self) -> float:
        """Return the processor seconds of all its processes so far, those that ended included."""
        with self._lock:
            now = time.monotonic()
            if now - self._walk > _TREE:
                self._walk = now
                self._find()
            total = 0.0
            for pid, process in list(self._members.items()):
                try:
                    total += _seconds(process)
                except psutil.Error:
                    del self._members[pid]
            # Who has waited for a process has its seconds now; of others, what was seen last stays.
            self._gone += max(0.0, self._seen - total)
            self._seen = total
            return max(total + self._gone, self._said)

    def said(self, seconds: float) -> None:
        """Take the word of the process, or of who has waited for it, on what it has used."""
        with self._lock:
            self._said = max(self._said, seconds)

    def pids(self) -> Collection[int]:
        """Return its processes, as far as they are known."""
        return tuple(self._members)

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
    """Return the processor time of a process and of the children that it has waited for."""
    return float(sum(process.cpu_times()[:4]))
