"""A share of this machine for a test: one core and so much memory, by control groups."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_ROOT = Path("/sys/fs/cgroup")


@dataclass
class Share:
    """What processes may use, and what they did.

    Attributes
    ----------
    enter
        Called in a new process before it executes anything.
    killed
        Returns how many processes the kernel ended for want of memory; None where it is not known.
    peak
        Bytes of all processes together; what they share counts once.
    afar
        Addresses beyond this machine that they spoke to.
    """

    enter: Callable[[], None]
    killed: Callable[[], int | None]
    peak: int = 0
    afar: set[tuple[str, int]] = field(default_factory=set)


@contextmanager
def confined(memory: int, mark: tuple[str, str]) -> Iterator[Share]:
    """Confine to one core and `memory` bytes; those with the variable `mark` are looked at."""
    with _groups(memory) as share:
        done = threading.Event()
        thread = threading.Thread(target=_look, args=[share, mark, done])
        thread.start()
        try:
            yield share
        finally:
            done.set()
            thread.join()
            for process in _marked(mark):  # a cluster outlives its server
                with suppress(psutil.Error):
                    process.kill()
                    process.wait(10)


@contextmanager
def _groups(memory: int) -> Iterator[Share]:
    """Make control groups (v1 or v2); where that is not allowed, there is a core's affinity."""
    name = f"lepton-test-{secrets.token_hex(4)}"
    first = (_ROOT / "memory/memory.limit_in_bytes").exists()
    folders = [_ROOT / kind / name for kind in ("memory", "cpu")] if first else [_ROOT / name]
    limits = (
        {"memory.limit_in_bytes": memory, "cpu.cfs_quota_us": 100_000}
        if first
        else {"memory.max": memory, "cpu.max": "100000 100000"}
    )
    try:
        for folder in folders:
            folder.mkdir()
        for file, value in limits.items():
            next(f for f in folders if (f / file).exists()).joinpath(file).write_text(str(value))
    except (OSError, StopIteration):
        _remove(folders)
        yield Share(lambda: os.sched_setaffinity(0, {0}), lambda: None)
        return

    def enter() -> None:
        for folder in folders:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def killed() -> int:
        text = (folders[0] / ("memory.oom_control" if first else "memory.events")).read_text()
        return int(dict(line.split() for line in text.splitlines())["oom_kill"])

    try:
        yield Share(enter, killed)
    finally:
        _remove(folders)


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # a process that lingers keeps its group
            folder.rmdir()


def _marked(mark: tuple[str, str]) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(mark[0]) == mark[1]:
                yield process


def _look(share: Share, mark: tuple[str, str], done: threading.Event) -> None:
    while not done.wait(1.0):
        used = 0
        for process in _marked(mark):
            with suppress(psutil.Error):
                used += process.memory_full_info().pss
                for connection in process.net_connections("inet"):
                    if connection.raddr and not connection.raddr.ip.startswith(("127.", "::1")):
                        share.afar.add(tuple(connection.raddr))
        share.peak = max(share.peak, used)
