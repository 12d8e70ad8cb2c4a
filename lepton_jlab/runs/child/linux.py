"""The Linux calls that keep a fork server and its children together; elsewhere they do nothing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_MADV_COLLAPSE = 25
_HUGE = 2 << 20

LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its `parent` ends, however that comes about."""
    if LINUX:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of what descendants leave behind, in place of process 1."""
    if LINUX:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> list[int]:
    """Return the pids of a process's children, adopted ones and zombies included."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def interrupt(pid: int) -> None:
    """Send SIGINT to the main thread of `pid` and to those below it in its process group.

    A signal to the process may be taken by any thread, by one of TensorFlow's too, and then Python
    (3.11) does not tell its main thread: a loop without input or output would run on.
    """
    if not hasattr(_libc, "tgkill"):
        kill_group(pid, signal.SIGINT)
        return
    below = _descendants(pid)
    _libc.tgkill(pid, pid, int(signal.SIGINT))
    for other in below:
        with suppress(ProcessLookupError):
            if os.getpgid(other) == pid:
                os.kill(other, signal.SIGINT)


def kill_group(pid: int, number: signal.Signals) -> None:
    """Signal the process group that `pid` leads, or `pid` alone where it has not made one yet."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # PermissionError: a zombie, on macOS
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def oom_kills() -> int:
    """Return how many processes the kernel has killed for memory since the machine started."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def threads() -> list[str]:
    """Return the names of this process's threads, those that Python does not know included."""
    if not LINUX:
        return [thread.name for thread in threading.enumerate()]
    return [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]


def flush_c_output() -> None:
    """Write out what C code has printed: on a pipe, C keeps it back until a buffer is full."""
    _libc.fflush(None)


def fold_memory() -> None:
    """Fold this process's memory into huge pages, so that a fork has fewer entries to copy.

    With TensorFlow imported a fork then takes 3.4 ms instead of 6.2 ms (kernel 6.18), and a child
    that ends is gone in half the time. A page that is written to is unfolded by the kernel alone.
    """
    if not LINUX:
        return
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, _, _, _, *name = line.split(None, 5)
        if rights != "rw-p" or (name and name[0] != "[heap]"):
            continue
        start, end = (int(bound, 16) for bound in span.split("-"))
        start = -(-start // _HUGE) * _HUGE
        end = end // _HUGE * _HUGE
        if start < end:  # refused before Linux 6.1 and for stacks: then nothing is lost
            _libc.madvise(start, end - start, _MADV_COLLAPSE)


def _descendants(pid: int) -> list[int]:
    near = children(pid)
    return near + [one for child in near for one in _descendants(child)]
