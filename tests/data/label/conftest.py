"""A dataset of 50 small pictures, and labels of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from lepton_jlab.data.label import Labels, open_labels

CLASSES = ["cat", "dog", "bird"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    group = zarr.create_group(str(tmp_path / "photos.zarr"))
    pixels = np.random.default_rng(0).integers(0, 255, (50, 16, 24, 3), np.uint8)
    group.create_array("x", data=pixels, chunks=(10, 16, 24, 3))
    return tmp_path / "photos.zarr"


@pytest.fixture
def labels(photos: Path) -> Labels:
    return open_labels(photos, CLASSES)


@pytest.fixture
def boxes(photos: Path) -> Labels:
    return open_labels(photos, CLASSES, kind="boxes", name="boxes")
