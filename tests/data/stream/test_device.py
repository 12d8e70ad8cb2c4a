"""Batches whose chunks a GPU decodes are those of the processors; nothing changes without one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.gpu import InventedGpu, gpu
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from lepton_jlab.data import Dataset, on_gpu, open_dataset
from lepton_jlab.errors import DataError, MissingDependencyError, UsageError

__all__ = ["gpu"]  # a fixture

pytestmark = pytest.mark.usefixtures("by_chunks")


AS_IMPORTED = (ZstdCodec(), Crc32cCodec())


def make(folder: Path, compressors: Any = AS_IMPORTED, **more: Any) -> Dataset:
    """Write 400 samples, 25 to a chunk."""
    group = zarr.create_group(folder / "n.zarr", overwrite=True)
    x = np.repeat(np.arange(400, dtype="f4")[:, None], 16, axis=1)
    options = {"compressors": compressors, **more}
    group.create_array("x", data=x, chunks=(25, 16), **options)
    return open_dataset(folder / "n.zarr")


@pytest.fixture
def ds(tmp_path: Path) -> Dataset:
    return make(tmp_path)


def epoch(ds: Dataset, decode: str, **more: Any) -> list[np.ndarray]:
    return list(ds.batches(32, shuffle=True, seed=3, decode=decode, **more).numpy())


@pytest.mark.parametrize(
    "more",
    [{}, {"compressors": ZstdCodec()}, {"shards": (100, 16)}, {"compressors": ZstdCodec(level=19)}],
)
def test_batches_are_the_same(gpu: InventedGpu, tmp_path: Path, more: dict[str, Any]) -> None:
    ds = make(tmp_path, **more)
    decoded, expected = epoch(ds, "gpu"), epoch(ds, "cpu")
    assert gpu.calls["chunks"] == 16
    assert all(np.array_equal(a, b) for a, b in zip(decoded, expected, strict=True))


def test_a_window_is_decoded_at_once(gpu: InventedGpu, ds: Dataset) -> None:
    epoch(ds, "gpu")
    assert gpu.calls["decode"] == 1


def test_samples_that_are_not_wanted_are_left_out(gpu: InventedGpu, ds: Dataset) -> None:
    train, _ = ds.split(0.7)
    assert all(
        np.array_equal(a, b) for a, b in zip(epoch(train, "gpu"), epoch(train, "cpu"), strict=True)
    )
    assert gpu.calls


def test_a_position_is_that_of_the_processors(gpu: InventedGpu, ds: Dataset) -> None:
    there, here = (ds.batches(32, shuffle=True, decode=decode) for decode in ("gpu", "cpu"))
    drawn = here.numpy()
    next(drawn)
    there.load_state_dict(here.state_dict())
    assert np.array_equal(next(there.numpy()), next(drawn))


@pytest.mark.parametrize(("faster", "chunks"), [("gpu", 16), ("cpu", 0)])
def test_a_run_with_a_gpu_takes_it_where_it_is_faster(
    gpu: InventedGpu, ds: Dataset, monkeypatch: pytest.MonkeyPatch, faster: str, chunks: int
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-0123")
    seconds = {"gpu": 2.0, "cpu": 2.0, faster: 1.0}
    monkeypatch.setattr(on_gpu, "measure", lambda *_: seconds)
    assert np.array_equal(np.sort(np.concatenate(epoch(ds, "auto"))[:, 0]), np.arange(400))
    assert gpu.calls["chunks"] == chunks
    kept = json.loads((on_gpu.data_folder() / "gpu_decode.json").read_text())
    assert kept == {"Invented, 1600 bytes a chunk, for batches": seconds}


def test_both_ways_are_really_measured(
    gpu: InventedGpu, ds: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    epoch(ds, "auto")
    (seconds,) = json.loads((on_gpu.data_folder() / "gpu_decode.json").read_text()).values()
    assert seconds.keys() == {"gpu", "cpu"}


@pytest.mark.parametrize("visible", [None, "", "-1"])
def test_no_gpu_is_touched_where_a_run_has_none(
    gpu: InventedGpu, ds: Dataset, monkeypatch: pytest.MonkeyPatch, visible: str | None
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    epoch(ds, "auto")
    assert not gpu.calls


@pytest.mark.parametrize("missing", ["cupy", "nvidia.nvcomp"])
def test_what_is_not_installed_is_told_with_its_install_line(
    gpu: InventedGpu, ds: Dataset, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'lepton_jlab\[nvcomp\]'"):
        ds.batches(32, decode="gpu")
    assert len(epoch(ds, "auto")) == 13


def test_what_the_gpu_cannot_decode_is_told(gpu: InventedGpu, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'x' cannot be decoded there: .* this is blosc"):
        make(tmp_path, compressors=BloscCodec()).batches(32, decode="gpu")
    gpu.count = 0
    with pytest.raises(UsageError, match="sees no GPU"):
        make(tmp_path).batches(32, decode="gpu")
    with pytest.raises(UsageError, match="'auto', 'cpu' or 'gpu'"):
        make(tmp_path).batches(32, decode="tpu")  # type: ignore[arg-type]


def test_a_gpu_that_fails_is_told_once_and_the_processors_go_on(
    gpu: InventedGpu, ds: Dataset
) -> None:
    gpu.broken = True
    with pytest.warns(UserWarning, match="does not decode 'x': RuntimeError: the driver is gone"):
        batches = epoch(ds, "gpu")
    assert np.array_equal(np.sort(np.concatenate(batches)[:, 0]), np.arange(400))


@pytest.mark.filterwarnings("ignore:The GPU does not decode")
def test_a_damaged_chunk_is_named(gpu: InventedGpu, ds: Dataset, tmp_path: Path) -> None:
    (tmp_path / "n.zarr" / "x" / "c" / "5" / "0").write_bytes(b"no frame")
    with pytest.raises(DataError, match="Chunk 5/0 of 'x' cannot be read"):
        epoch(ds, "gpu")


def test_a_chunk_that_was_never_written_has_the_fill_value(
    gpu: InventedGpu, ds: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "n.zarr" / "x" / "c" / "5" / "0").unlink()
    values = np.concatenate(epoch(ds, "gpu"))
    assert np.count_nonzero(values.sum(axis=1)) == 375 - 1  # and sample 0
