"""Chunks decoded on a real GPU are those of the processors; how fast each way is."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from lepton_jlab.data import on_gpu, open_dataset

cupy = pytest.importorskip("cupy")


def images(samples: int) -> np.ndarray:
    """Pictures of smooth colours and a little noise: they compress to about a half."""
    rows = np.linspace(0, 200, 64).astype("uint8")
    noise = np.random.default_rng(1).integers(0, 8, (samples, 64, 64, 3), dtype="uint8")
    return rows[None, :, None, None] + rows[None, None, :, None] // 4 + noise


@pytest.fixture(scope="module", params=[16, 256])
def array(request, tmp_path_factory):
    values = images(2048)
    path = tmp_path_factory.mktemp("decode") / "x.zarr"
    chunks = (request.param, *values.shape[1:])
    compressors = [ZstdCodec(level=3), Crc32cCodec()]  # as imports write it
    return zarr.create_array(path, data=values, chunks=chunks, compressors=compressors)


@pytest.mark.parametrize("path", ["gpu", "cpu"])
def test_what_arrives_is_what_was_stored(array, path):
    if path == "gpu":
        pytest.importorskip("nvidia.nvcomp")
    decoded = cupy.concatenate(list(on_gpu.chunks_on_gpu(array, path)))
    assert np.array_equal(cupy.asnumpy(decoded), array[...])


def test_how_fast_each_way_is(array, figure):
    pytest.importorskip("nvidia.nvcomp")
    size = math.prod(array.chunks)
    count = min(64, array.shape[0] // array.chunks[0])
    stored = [on_gpu._stored(array, index) for index in range(count)]
    codecs = [{"name": "zstd"}, {"name": "crc32c"}]
    ways = {
        way: partial(decode, cupy, codecs, stored, size) for way, decode in on_gpu._PATHS.items()
    }
    seconds = on_gpu.measure(cupy, ways)
    speeds = {way: f"{count * size / taken / 1e6:,.0f} MB/s" for way, taken in seconds.items()}
    chosen = on_gpu.choose(seconds)
    figure(f"decode of {count} chunks of {size // 1000} kB", f"{speeds}: {chosen} is taken")
    assert set(seconds) == {"gpu", "cpu"}


def test_batches_are_those_of_the_processors(array, tmp_path):
    pytest.importorskip("nvidia.nvcomp")
    group = zarr.create_group(tmp_path / "ds.zarr")
    group.create_array("x", data=array[...], chunks=array.chunks, compressors=array.compressors)
    ds = open_dataset(tmp_path / "ds.zarr")
    epochs = [
        np.concatenate(list(ds.batches(128, shuffle=True, decode=where).numpy()))
        for where in ("gpu", "cpu")
    ]
    assert np.array_equal(*epochs)
