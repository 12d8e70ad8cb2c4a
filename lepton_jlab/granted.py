"""What is granted to this process: the least of the machine, its cgroup and a hub's own word."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lepton_jlab import cgroup

_FEW_WORKERS = 2
_LITTLE = 2 << 30  # bytes of a Binder: two workers, a notebook and its server fill them


@dataclass(frozen=True, slots=True)
class Granted:
    """A share of a machine.

    Attributes
    ----------
    cores
        How many cores' time; a part of one, too.
    memory
        Bytes.
    on_binder
        Whether this is a server that BinderHub started.
    """

    cores: float
    memory: int
    on_binder: bool = False

    @property
    def threads(self) -> int:
        """How many threads can work at a time."""
        return max(1, int(self.cores))

    @property
    def most_workers(self) -> int | None:
        """How many workers a cluster here may have; None for as many as one likes."""
        return _FEW_WORKERS if self.on_binder or self.memory <= _LITTLE else None

    @property
    def sentence(self) -> str | None:
        """What is granted, said where it limits clusters; None elsewhere."""
        if self.most_workers is None:
            return None
        cores = "1 core" if self.cores == 1 else f"{self.cores:.3g} cores"
        return (
            f"{cores} and {self.memory / (1 << 30):.3g} GiB are granted here: "
            f"a cluster has {self.most_workers} workers at most."
        )


def granted() -> Granted:
    """Return what this process may use.

    JupyterHub and Binder say it in ``CPU_LIMIT`` (cores) and ``MEM_LIMIT`` (bytes), containers by
    their cgroup, batch systems by the processors a process is tied to; the least counts.
    """
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:  # macOS
        there = os.cpu_count() or 1
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = (there, cgroup.cores(), _said("CPU_LIMIT"))
    memory = (machine, cgroup.memory_limit(), _said("MEM_LIMIT"))
    return Granted(
        cores=float(min(filter(None, cores))),
        memory=int(min(filter(None, memory))),
        on_binder="BINDER_LAUNCH_HOST" in os.environ or "BINDER_REPO_URL" in os.environ,
    )


def _said(name: str) -> float | None:
    """Return a limit of the environment; None where there is none, or no number."""
    try:
        return max(0.0, float(os.environ[name]))
    except (KeyError, ValueError):
        return None
