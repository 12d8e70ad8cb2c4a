"""A single array in a NumPy file; it becomes x."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lepton_jlab.data.sources import Loaded, without_label
from lepton_jlab.errors import DataError

FORM = "NumPy arrays (.npy)"


def accepts(source: str) -> bool:
    """Whether `source` is a .npy file."""
    return source.endswith(".npy") and Path(source).is_file()


def load(source: str, label: str | None) -> Loaded:
    """Map the file into memory; samples are read as they are written."""
    without_label(label, FORM)
    try:
        values = np.load(source, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{source} cannot be read as a NumPy array: {error}") from error
    return Loaded({"": {"x": values}}, origin=source)
