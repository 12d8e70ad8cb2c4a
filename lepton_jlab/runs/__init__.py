"""Runs: training cells that execute in parallel on a cluster, and their records.

``lepton.runs`` is this room and, called, the list of all runs: ``lepton.runs()``.
"""

from __future__ import annotations

import sys
from types import ModuleType

from lepton_jlab.runs.log import log
from lepton_jlab.runs.lookup import run
from lepton_jlab.runs.lookup import runs as _list_runs
from lepton_jlab.runs.run import Run
from lepton_jlab.runs.submit import submit
from lepton_jlab.runs.sweep import Sweep

__all__ = ["Run", "Sweep", "log", "run", "submit"]


class _Runs(ModuleType):
    def __call__(self, limit: int | None = None) -> list[Run]:
        return _list_runs(limit)


sys.modules[__name__].__class__ = _Runs
