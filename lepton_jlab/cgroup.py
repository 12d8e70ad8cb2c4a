"""What this process's control groups (cgroup v1 or v2) allow, and what was used of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # cgroup v1 writes a number near 2**63


def cores() -> float | None:
    """Return how many cores' time the cgroup and those around it grant; None for no limit."""
    found = []
    for folder in _folders("cpu"):
        words = " ".join(_lines(folder / "cpu.max")).split()
        if len(words) == 2 and words[0] != "max":
            found.append(int(words[0]) / int(words[1]))
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota and quota > 0 and period:
            found.append(quota / period)
    return min(found, default=None)


def memory_limit() -> int | None:
    """Return the memory limit of the cgroup and those around it in bytes; None for no limit."""
    found = []
    for folder in _folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            number = _read(folder / name)
            if number is not None and number < _NO_LIMIT:
                found.append(int(number))
    return min(found, default=None)


def memory_used() -> int | None:
    """Return the bytes that count towards the limit, not the cache of files; None if unknown."""
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


def spent() -> float | None:
    """Return the processor seconds of the cgroup so far; None where it does not say."""
    for folder in _folders("cpu"):
        for line in _lines(folder / "cpu.stat"):
            name, _, number = line.partition(" ")
            if name == "usage_usec":
                return int(number) / 1e6
        break
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
    try:
        return float(_lines(path)[0])
    except (IndexError, ValueError):  # no such file; max
        return None
