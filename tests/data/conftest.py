"""Real Zarr datasets to test with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from lepton_jlab.data import Dataset, open_dataset


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Dataset]:
    """Write a dataset whose every sample says its own number, and open it."""

    def make(
        samples: int = 150, chunks: int = 16, name: str = "numbers.zarr", **more: Any
    ) -> Dataset:
        group = zarr.create_group(str(tmp_path / name), **more)
        x = np.repeat(np.arange(samples, dtype="f4")[:, None], 3, axis=1)
        for key, values, chunk in (("x", x, chunks), ("y", x[:, 0].astype("i4"), 2 * chunks)):
            array = group.create_array(
                key, shape=values.shape, dtype=values.dtype, chunks=(chunk, *values.shape[1:])
            )
            array[:] = values
        return open_dataset(tmp_path / name)

    return make
