"""A small dataset of uneven chunks, and a cluster of four workers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import lepton_jlab as lepton


@pytest.fixture(scope="module")
def quartet() -> Iterator[lepton.Cluster]:
    """A cluster of four workers that are kept warm."""
    cluster = lepton.start_cluster("quartet", workers=4, threads=1, idle_timeout="10 min")
    lepton.use_cluster("quartet")
    yield cluster
    if "quartet" in {one.name for one in lepton.clusters()}:
        cluster.stop(force=True)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> lepton.Dataset:
    """Samples of shape (12, 12, 1) in two classes; the last of the chunks is cut short."""
    import zarr

    path = tmp_path_factory.mktemp("digits") / "digits.zarr"
    random = np.random.default_rng(0)
    x = random.standard_normal((460, 12, 12, 1)).astype("float32")
    y = (x[:, :6].mean((1, 2, 3)) > x[:, 6:].mean((1, 2, 3))).astype("int64")
    group = zarr.open_group(path, mode="w")
    for name, values in (("x", x), ("y", y)):
        names = ["sample", "h", "w", "c"][: values.ndim]
        chunks = (32, *values.shape[1:])
        group.create_array(name, data=values, chunks=chunks, dimension_names=names)
    return lepton.open_dataset(path)
