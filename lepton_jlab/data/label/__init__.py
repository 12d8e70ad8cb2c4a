"""Labels: who called which sample what and when, kept as a Zarr group beside the dataset."""

from __future__ import annotations

from lepton_jlab.data.label.labels import Labels
from lepton_jlab.data.label.opening import find_labels, open_labels

__all__ = ["Labels", "find_labels", "open_labels"]
