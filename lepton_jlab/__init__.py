"""What `import lepton_jlab as lepton` offers; each name is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lepton_jlab.cluster import Cluster as Cluster
    from lepton_jlab.cluster import clusters as clusters
    from lepton_jlab.cluster import get_cluster as get_cluster
    from lepton_jlab.cluster import start_cluster as start_cluster
    from lepton_jlab.cluster import use_cluster as use_cluster
    from lepton_jlab.data import Dataset as Dataset
    from lepton_jlab.data import import_dataset as import_dataset
    from lepton_jlab.data import mix as mix
    from lepton_jlab.data import open_dataset as open_dataset
    from lepton_jlab.data.label import open_labels as open_labels
    from lepton_jlab.errors import LeptonError as LeptonError
    from lepton_jlab.models import Endpoint as Endpoint
    from lepton_jlab.models import Model as Model
    from lepton_jlab.models import batched as batched
    from lepton_jlab.models import deploy as deploy
    from lepton_jlab.models import endpoint as endpoint
    from lepton_jlab.models import endpoints as endpoints
    from lepton_jlab.models import export_model as export_model
    from lepton_jlab.models import model as model
    from lepton_jlab.models import predict as predict
    from lepton_jlab.models import save_model as save_model
    from lepton_jlab.models.registry import models as models
    from lepton_jlab.panel.board import panel as panel
    from lepton_jlab.panel.labelling import label as label
    from lepton_jlab.panel.reviewing import review as review
    from lepton_jlab.replicas import all_reduce as all_reduce
    from lepton_jlab.replicas import rank as rank
    from lepton_jlab.replicas import world as world
    from lepton_jlab.runs.log import log as log
    from lepton_jlab.runs.lookup import run as run
    from lepton_jlab.runs.lookup import runs as runs
    from lepton_jlab.runs.run import Run as Run
    from lepton_jlab.runs.spending import costs as costs
    from lepton_jlab.runs.submit import submit as submit
    from lepton_jlab.runs.sweep import Sweep as Sweep

__version__ = "0.1.0"

_HOMES = {
    "lepton_jlab.cluster": ("Cluster", "clusters", "get_cluster", "start_cluster", "use_cluster"),
    "lepton_jlab.data": ("Dataset", "import_dataset", "mix", "open_dataset"),
    "lepton_jlab.data.label": ("open_labels",),
    "lepton_jlab.errors": ("LeptonError",),
    "lepton_jlab.models": (
        *("Endpoint", "Model", "batched", "deploy", "endpoint", "endpoints"),
        *("export_model", "model", "predict", "save_model"),
    ),
    "lepton_jlab.panel.labelling": ("label",),
    "lepton_jlab.panel.reviewing": ("review",),
    "lepton_jlab.runs.spending": ("costs",),
    "lepton_jlab.replicas": ("all_reduce", "rank", "world"),
    "lepton_jlab.runs": ("Run", "Sweep", "log", "run", "submit"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_CALLABLE = ("models", "panel", "runs")  # rooms: called, they list or show what is in them
__all__ = [*_CALLABLE, *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _CALLABLE:
        return import_module(f"lepton_jlab.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def load_ipython_extension(ip: InteractiveShell) -> None:
    """Register %lepton, %%lepton and their completion (``%load_ext lepton_jlab``)."""
    from lepton_jlab import magics

    magics.load(ip)


def unload_ipython_extension(ip: InteractiveShell) -> None:
    """Take them away again."""
    from lepton_jlab import magics

    magics.unload(ip)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Say where the built front end is (``jupyter labextension``, ``jupyter-builder develop``)."""
    return [{"src": "labextension", "dest": "lepton-jlab"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell a Jupyter server where its part of Lepton is."""
    from lepton_jlab.server.app import LeptonApp

    return [{"module": "lepton_jlab.server.app", "app": LeptonApp}]
