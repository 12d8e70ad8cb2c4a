"""Chunks for a GPU: which can be, which way is taken, and what the processors decode; no GPU."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import zarr
from data.gpu import gpu
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from lepton_jlab.data import on_gpu
from lepton_jlab.errors import DataError, MissingDependencyError, UsageError

__all__ = ["gpu"]  # a fixture

ZSTD = (ZstdCodec(level=1),)
CHECKED = (ZstdCodec(level=1), Crc32cCodec())  # as imports write it
VALUES = np.arange(10 * 6, dtype="float32").reshape(10, 6)


@pytest.fixture
def made(tmp_path):
    def make(values=VALUES, compressors=ZSTD, chunks=(4, 6), **more):
        path = tmp_path / "array.zarr"
        array = zarr.create_array(
            path,
            shape=values.shape,
            dtype=values.dtype,
            chunks=chunks,
            compressors=compressors,
            **more,
        )
        array[...] = values
        return array

    return make


@pytest.mark.parametrize("compressors", [ZSTD, CHECKED, (BloscCodec(),), None])
def test_the_processors_decode_every_chunk_in_order(gpu, made, compressors):
    chunks = list(on_gpu.chunks_on_gpu(made(compressors=compressors), path="cpu"))
    assert not gpu.calls
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert np.array_equal(np.concatenate(chunks), VALUES)


@pytest.mark.parametrize("compressors", [ZSTD, CHECKED])
def test_the_gpu_decodes_every_chunk_in_order(gpu, made, compressors):
    chunks = list(on_gpu.chunks_on_gpu(made(compressors=compressors), path="gpu"))
    assert gpu.calls["chunks"] == 3
    assert np.array_equal(np.concatenate(chunks), VALUES)


def test_a_chunk_that_was_never_written_has_the_fill_value(gpu, made):
    array = made(fill_value=7)
    array.resize((14, 6))
    last = list(on_gpu.chunks_on_gpu(array))[-1]
    assert last.shape == (2, 6)
    assert (last == 7).all()


@pytest.mark.parametrize("path", ["cpu", "gpu"])
def test_a_damaged_chunk_is_told(gpu, made, tmp_path, path):
    array = made(compressors=CHECKED)
    (tmp_path / "array.zarr" / "c" / "1" / "0").write_bytes(b"not a frame")
    with pytest.raises(DataError, match="among 0 to 2 cannot be decoded"):
        list(on_gpu.chunks_on_gpu(array, path))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"shards": (8, 6)}, "not sharded"),
        ({"chunks": (4, 3)}, "must be whole samples"),
        ({"values": VALUES.astype(">f4")}, "big-endian"),
    ],
)
def test_what_cannot_be_read_so_is_said(gpu, made, more, why):
    with pytest.raises(DataError, match=why):
        next(on_gpu.chunks_on_gpu(made(**more)))


def test_without_cupy_its_install_line_is_told(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingDependencyError, match=r"CuPy .*lepton_jlab\[nvcomp\]"):
        next(on_gpu.chunks_on_gpu(made()))


def test_the_gpu_s_way_needs_nvcomp_and_zstd(gpu, made, monkeypatch):
    with pytest.raises(UsageError, match="nvCOMP decodes zstd here, and this is blosc"):
        next(on_gpu.chunks_on_gpu(made(compressors=(BloscCodec(),)), path="gpu"))
    monkeypatch.setitem(sys.modules, "nvidia.nvcomp", None)
    with pytest.raises(MissingDependencyError, match="nvCOMP"):
        next(on_gpu.chunks_on_gpu(made(overwrite=True), path="gpu"))


@pytest.mark.parametrize(("faster", "taken"), [("gpu", "gpu"), ("cpu", "cpu")])
def test_the_way_that_was_measured_to_be_faster_is_taken_and_remembered(
    gpu, made, monkeypatch, faster, taken
):
    used, measured = [], []

    def way(name):
        def decode(*arguments):
            used.append(name)
            return processors(*arguments)

        return decode

    processors = on_gpu._on_processors
    monkeypatch.setattr(on_gpu, "_PATHS", {name: way(name) for name in ("gpu", "cpu")})
    seconds = {"gpu": 2.0, "cpu": 2.0, faster: 1.0}
    monkeypatch.setattr(on_gpu, "measure", lambda *a: measured.append(a) or seconds)
    array = made()
    for _ in range(2):
        assert np.array_equal(np.concatenate(list(on_gpu.chunks_on_gpu(array))), VALUES)
    assert used == [taken] * 2
    assert len(measured) == 1
    kept = json.loads((on_gpu.data_folder() / "gpu_decode.json").read_text())
    assert kept == {"Invented, 96 bytes a chunk": seconds}


def test_both_ways_are_measured(gpu):
    calls = []
    ways = {name: lambda name=name: calls.append(name) for name in ("gpu", "cpu")}
    assert on_gpu.measure(gpu.cupy, ways).keys() == {"gpu", "cpu"}
    assert calls == ["gpu"] * 4 + ["cpu"] * 4  # the first of each is not timed
