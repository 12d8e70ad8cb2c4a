"""Datasets: opening, importing, batches for Keras and TensorFlow."""

from __future__ import annotations

from lepton_jlab.data.dataset import Dataset, open_dataset
from lepton_jlab.data.describe import find_datasets
from lepton_jlab.data.importing import import_dataset
from lepton_jlab.data.stream.batches import mix

__all__ = ["Dataset", "find_datasets", "import_dataset", "mix", "open_dataset"]
