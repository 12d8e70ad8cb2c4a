"""Whose a process on a GPU is: a run's, or a kernel's, by the tree of processes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_KERNEL = re.compile(r"kernel-([0-9a-fA-F-]{8,})\.json")
_KNOWN = 1000  # processes that are remembered


class Owners:
    """Looks each process up once: its ancestors do not change while they live."""

    def __init__(self) -> None:
        self._lines: dict[int, tuple[float, list[int], str | None]] = {}

    def of(self, pid: int, runs: Mapping[int, str]) -> tuple[str | None, str | None]:
        """Return the run and the kernel that a process belongs to.

        Parameters
        ----------
        pid
            The process.
        runs
            Run ids by the pid of their child.
        """
        line, kernel = self._line(pid)
        run = next((runs[one] for one in line if one in runs), None)
        return run, None if run else kernel

    def _line(self, pid: int) -> tuple[list[int], str | None]:
        """Return a process and its ancestors, and the id of the kernel among them."""
        import psutil

        try:
            process = psutil.Process(pid)
            created = process.create_time()
            known = self._lines.get(pid)
            if known is None or known[0] != created:
                family = [process, *process.parents()]
                kernel = next(filter(None, map(_kernel, family)), None)
                if len(self._lines) >= _KNOWN:
                    self._lines.clear()
                known = self._lines[pid] = created, [one.pid for one in family], kernel
        except psutil.Error:  # it has ended, or it is somebody else's
            return [pid], None
        return known[1], known[2]


def _kernel(process: Any) -> str | None:
    import psutil

    try:
        found = _KERNEL.search(" ".join(process.cmdline()))
    except psutil.Error:
        return None
    return found[1] if found else None
