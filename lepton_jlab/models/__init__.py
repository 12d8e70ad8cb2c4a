"""Models that are kept: saved, versioned, exported, predicted with.

The module is also the room and, called, the list of all models: ``lepton.models()``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lepton_jlab.models.exporting.export import export_model as export_model
    from lepton_jlab.models.offline.predict import predict as predict
    from lepton_jlab.models.registry import Model as Model
    from lepton_jlab.models.registry import model as model
    from lepton_jlab.models.saving import save_model as save_model
    from lepton_jlab.models.serving import Endpoint as Endpoint
    from lepton_jlab.models.serving import deploy as deploy
    from lepton_jlab.models.serving import endpoint as endpoint
    from lepton_jlab.models.serving import endpoints as endpoints
    from lepton_jlab.models.serving.cells import batched as batched
    from lepton_jlab.models.version import Version as Version

_HOME = {
    "Endpoint": "serving",
    "Model": "registry",
    "Version": "version",
    "batched": "serving.cells",
    "deploy": "serving",
    "endpoint": "serving",
    "endpoints": "serving",
    "export_model": "exporting.export",
    "model": "registry",
    "predict": "offline.predict",
    "save_model": "saving",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


class _Models(ModuleType):
    def __call__(self) -> list[Model]:
        from lepton_jlab.models.registry import models

        return models()


sys.modules[__name__].__class__ = _Models
