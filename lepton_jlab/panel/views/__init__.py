"""The tabs of a panel, each of ipywidgets."""

from __future__ import annotations

from lepton_jlab.panel.asking import Status
from lepton_jlab.panel.views.view import View


def view_of(name: str, cluster: str | None, status: Status) -> View:
    """Make one view."""
    from lepton_jlab.panel.views.clusters import ClustersView
    from lepton_jlab.panel.views.data import DataView
    from lepton_jlab.panel.views.resources import ResourcesView
    from lepton_jlab.panel.views.runs import RunsView

    kinds: dict[str, type[View]] = {
        "clusters": ClustersView,
        "runs": RunsView,
        "data": DataView,
        "resources": ResourcesView,
    }
    return kinds[name](cluster, status)
