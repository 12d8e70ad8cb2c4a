"""What tests wait for, and the processes they count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import psutil

T = TypeVar("T")

_LOOK = 0.01  # seconds between two looks


def wait_until(predicate: Callable[[], T], timeout: float = 30.0, about: str = "") -> T:
    """Return the first true value of `predicate`; fail after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {about or predicate}")
        time.sleep(_LOOK)
    return value


def alive(pid: int) -> bool:
    """Tell whether a process runs: one that has ended and is not reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_gone(pids: Iterable[int], timeout: float = 30.0) -> None:
    """Wait until none of `pids` runs."""
    pids = list(pids)
    wait_until(lambda: not any(map(alive, pids)), timeout, f"the end of {pids}")


def family(pid: int) -> list[psutil.Process]:
    """Return process `pid` and all that descend from it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def of_folder(folder: object) -> list[psutil.Process]:
    """Return the processes that name `folder` in their arguments, and all that descend from them.

    Fork servers detach themselves, so a cluster's scratch folder is what ties them to it.
    """
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()):
                found |= {member.pid: member for member in family(process.pid)}
        except psutil.NoSuchProcess:
            continue
    return list(found.values())
