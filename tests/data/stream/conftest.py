"""Streams that do with small datasets what others do with large ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from data.stream.storing import read_by_chunks

from lepton_jlab.data import Dataset, open_dataset


@pytest.fixture(scope="module")
def by_chunks() -> Iterator[None]:
    """Read each array by chunks, the smallest too."""
    with pytest.MonkeyPatch.context() as patch:
        read_by_chunks(patch)
        yield


@pytest.fixture
def ds(tmp_path: Path) -> Dataset:
    """400 samples that each say their number in every one of 16 values; 25 to a chunk."""
    group = zarr.create_group(str(tmp_path / "n.zarr"))
    x = np.repeat(np.arange(400, dtype="f4")[:, None], 16, axis=1)
    group.create_array("x", data=x, chunks=(25, 16))
    group.create_array("y", data=x[:, 0].astype("i4"), chunks=(25,))
    return open_dataset(tmp_path / "n.zarr")
