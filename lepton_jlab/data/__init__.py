"""Datasets: opening, importing, batches for Keras and TensorFlow; imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lepton_jlab.data.dataset import Dataset as Dataset
    from lepton_jlab.data.dataset import open_dataset as open_dataset
    from lepton_jlab.data.describe import find_datasets as find_datasets
    from lepton_jlab.data.importing import import_dataset as import_dataset
    from lepton_jlab.data.stream.batches import mix as mix

_HOME = {
    "Dataset": "dataset",
    "find_datasets": "describe",
    "import_dataset": "importing",
    "mix": "stream.batches",
    "open_dataset": "dataset",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    # A run's fork server needs the small part that hears of streams, and none of the rest.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
