"""What a run may use of its machine: memory, processors, and its place when memory runs out."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from lepton_jlab.granted import granted

_KIB = 1024


def private_bytes(pid: int) -> int:
    """Return the memory of process `pid` that is not backed by a file, in bytes.

    For a child just forked this counts the fork server's pages too, which the two share: subtract
    the value at the start to get what the run itself has taken.

    Raises
    ------
    OSError
        There is no such process.
    """
    status = _status(pid)
    if status is None:
        import psutil

        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.NoSuchProcess as error:
            raise ProcessLookupError(*error.args) from None
    return sum(status.get(key, 0) for key in ("RssAnon", "RssShmem", "VmSwap"))


def limit_memory(limit: int | None) -> None:
    """Let allocations fail beyond `limit` bytes on top of what there was at the first call.

    `None` lifts the limit.

    The limit is on RLIMIT_DATA, the private writable memory that a process has asked for, so
    `numpy.zeros` beyond it raises a MemoryError at once. RLIMIT_AS would count what is only mapped
    too: libraries, files, and the hundreds of GB of addresses that CUDA reserves, which no
    useful limit allows. Shared memory counts in neither: the worker watches `private_bytes`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = resource.RLIM_INFINITY if limit is None else _data_at_start() + limit
    if hard != resource.RLIM_INFINITY:
        soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def use_processors(numbers: Sequence[int] | None) -> None:
    """Keep this process to the processors given, and numpy's BLAS to as many threads.

    The fork server imports numpy with a single BLAS thread, or it could not fork.
    """
    if numbers and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, numbers)
    wanted = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS")
    count = int(wanted) if wanted and wanted.isdecimal() else granted().threads
    if count > 1:
        for library in blas_libraries():
            library.scipy_openblas_set_num_threads64_(count)


@cache
def blas_libraries() -> tuple[ctypes.CDLL, ...]:
    """Return the OpenBLAS libraries that this process has loaded with numpy."""
    with suppress(OSError):
        lines = Path("/proc/self/maps").read_text().splitlines()
        paths = {line.split(None, 5)[-1] for line in lines if "openblas" in line}
        libraries = (ctypes.CDLL(path) for path in sorted(paths))
        return tuple(one for one in libraries if hasattr(one, "scipy_openblas_set_num_threads64_"))
    return ()


def offer_to_oom_killer() -> None:
    """Make this process the one to go, before any worker or notebook, when memory runs out."""
    with suppress(OSError):  # not by a Path: every page touched after a fork is copied (0.4 ms)
        file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(file, b"500")
        os.close(file)


@cache
def _data_at_start() -> int:
    return (_status(os.getpid()) or {}).get("VmData", 0)


def _status(pid: int) -> dict[str, int] | None:
    """Return the sizes in /proc/PID/status in bytes, or `None` where there is no /proc."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        if Path("/proc/self/status").exists():
            raise ProcessLookupError(f"No process {pid}.") from None
        return None
    sizes = (line.split() for line in lines if line.endswith(" kB"))
    return {key.rstrip(":"): int(count) * _KIB for key, count, _ in sizes}
