"""The live view of clusters, runs, data and resources: widgets in a notebook, text in a terminal.

``lepton.panel`` is this room and, called, a new panel: ``lepton.panel("runs")``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lepton_jlab.panel.board import Panel


class _Room(ModuleType):
    def __call__(self, view: str | None = None, cluster: str | None = None) -> Panel:
        """Return a panel, which is displayed where it is the last value of a cell.

        Parameters
        ----------
        view : {"clusters", "runs", "data", "resources"}, optional
            What to show; by default all of it, in tabs.
        cluster : str, optional
            Only this cluster, its runs and its workers.

        Raises
        ------
        UsageError
            When there is no such view.
        NotFoundError
            When there is no such cluster.

        Examples
        --------
        >>> lepton.panel("runs")  # doctest: +SKIP
        """
        from lepton_jlab.panel.board import panel

        return panel(view, cluster)


sys.modules[__name__].__class__ = _Room
