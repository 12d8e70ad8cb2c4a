"""What this process may use of its machine: its cgroup's limits, or the whole machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # cgroup v1 writes a number near 2**63


def processors() -> float:
    """Return how many cores may be used: ``CPU_LIMIT``, the cgroup's quota, or all."""
    counts = [float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)]
    if not hasattr(os, "sched_getaffinity"):
        counts = [float(os.cpu_count() or 1)]
    counts += [limit for limit in (_number(os.environ.get("CPU_LIMIT")), _quota()) if limit]
    return min(counts)


def memory() -> tuple[int, int]:
    """Return the bytes used and the bytes there are: ``MEM_LIMIT``, the cgroup's, or the machine's.

    Under a limit, used is what counts towards it: without the cache of files.
    """
    import psutil

    machine = psutil.virtual_memory()
    limits = [limit for limit in (_number(os.environ.get("MEM_LIMIT")), memory_limit()) if limit]
    total = int(min([machine.total, *limits]))
    if total == machine.total:
        return int(machine.total - machine.available), total
    used = _memory_used()
    return (int(machine.used) if used is None else used), total


def memory_limit() -> int | None:
    """Return the memory limit of the cgroup and those around it in bytes; None for no limit."""
    found = []
    for folder in _folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            number = _read(folder / name)
            if number is not None and number < _NO_LIMIT:
                found.append(int(number))
    return min(found, default=None)


def spent() -> float | None:
    """Return the processor seconds of the cgroup so far; None where it does not say."""
    for folder in _folders("cpu"):
        for line in _lines(folder / "cpu.stat"):
            name, _, number = line.partition(" ")
            if name == "usage_usec":
                return int(number) / 1e6
        break
    return None


def _quota() -> float | None:
    found = []
    for folder in _folders("cpu"):
        words = " ".join(_lines(folder / "cpu.max")).split()
        if len(words) == 2 and words[0] != "max":
            found.append(int(words[0]) / int(words[1]))
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota and quota > 0 and period:
            found.append(quota / period)
    return min(found, default=None)


def _memory_used() -> int | None:
    for folder in _folders("memory"):
        used = _read(folder / "memory.current")
        used = _read(folder / "memory.usage_in_bytes") if used is None else used
        if used is None:
            return None
        names = ("inactive_file", "total_inactive_file")
        for line in _lines(folder / "memory.stat"):
            name, _, number = line.partition(" ")
            if name in names:
                used -= int(number)
                break
        return max(0, int(used))
    return None


@cache
def _folders(controller: str) -> tuple[Path, ...]:
    """Return the folders of this process's cgroup and of those around it, the innermost first."""
    return tuple(_walk(controller))


def _walk(controller: str) -> Iterator[Path]:
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = _ROOT / controller if controllers else _ROOT
        inner = root / path.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder.is_dir():
                yield folder
            if folder == root:
                break


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _read(path: Path) -> float | None:
    return _number(next(iter(_lines(path)), None))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:  # max
        return None
