"""What an import can be told: codec by trial, chunks, shards, rounding, another Zarr dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import lepton_jlab.data.layout as layout_module
from lepton_jlab.data import import_dataset, open_dataset
from lepton_jlab.data.layout import plan_layouts
from lepton_jlab.data.sources.npz import read_npz
from lepton_jlab.errors import DataError, UsageError

RNG = np.random.default_rng(0)


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """An archive with smooth images, labels and a test part."""
    x = np.linspace(0, 255, 700 * 256).reshape(700, 16, 16, 1).astype("u1")
    y = RNG.integers(0, 10, 700).astype("u1")
    np.savez(tmp_path / "digits.npz", x_train=x, y_train=y, x_test=x[:300], y_test=y[:300])
    return tmp_path / "digits.npz"


def codecs_of(ds: Any) -> dict[str, list[str]]:
    return {a["name"]: [c["name"] for c in a["codecs"]] for a in ds.info()["arrays"]}


# ---- codecs


def test_auto_chooses_for_each_array_and_says_why(digits: Path, tmp_path: Path) -> None:
    ds = import_dataset(digits, tmp_path / "a.zarr", codec="auto")
    (entry,) = ds.attrs["lepton"]["history"]
    (path, trial), *others = entry["codec_trial"].items()
    assert (path, trial["goal"], others) == ("x", "balanced", [])  # 700 labels are not worth it
    assert trial["chosen"] in {one["codec"] for one in trial["codecs"]}
    assert codecs_of(ds)["x"] == codecs_of(ds["test"])["x"]
    assert codecs_of(ds)["y"] == ["bytes", "blosc", "crc32c"]
    assert json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())["attributes"]["lepton"]


def test_size_takes_the_smallest_that_all_can_read(digits: Path, tmp_path: Path) -> None:
    ds = import_dataset(digits, tmp_path / "a.zarr", goal="size")
    trial = ds.attrs["lepton"]["history"][0]["codec_trial"]["x"]
    best = max((one for one in trial["codecs"] if one["portable"]), key=lambda one: one["ratio"])
    assert trial["chosen"] == best["codec"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"codec": "zlib"}, "no codec 'zlib'"),
        ({"goal": "fun"}, "'fun' is none of speed, size, balanced"),
        ({"codec": "zstd", "goal": "size"}, "leave out --codec zstd"),
        ({"chunk": "many"}, "'many' is neither a number of samples, nor a size such as 1MiB"),
        ({"chunk": 0}, "--chunk 0 is neither"),
        ({"shard": "-3"}, "--shard '-3' is neither"),
        ({"max_error": -1.0}, "not a number above 0"),
        ({"max_error": 0.1}, "rounds floats, .* x uint8"),
    ],
)
def test_options_out_of_range_are_refused(
    digits: Path, tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        import_dataset(digits, tmp_path / "a.zarr", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["digits.npz"]


def test_targets_are_not_rounded(tmp_path: Path) -> None:
    x, y = RNG.normal(size=(100, 5)), RNG.normal(size=100)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    ds = import_dataset(tmp_path / "a.npz", tmp_path / "a.zarr", max_error=0.5)
    assert np.array_equal(ds.y[:], y)
    assert np.array_equal(ds.x[:], np.round(x))
    again = import_dataset(tmp_path / "a.zarr", tmp_path / "b.zarr", max_error=1.0)
    assert again.x.zarr.attrs["max_error"] == 1.5  # each import may add its own
    assert np.array_equal(again.y[:], y)
    assert "max_error" not in again.y.zarr.attrs


# ---- chunks and shards


@pytest.mark.parametrize(
    ("chunk", "expected"), [("auto", 4096), (100, 100), ("100", 100), ("64KiB", 256), (10**9, 7000)]
)
def test_chunks(tmp_path: Path, chunk: str | int, expected: int) -> None:
    arrays = {"x": np.zeros((7000, 64), "f4"), "y": np.zeros(7000, "u1")}
    layouts = plan_layouts(arrays, chunk)
    assert layouts["x"].chunk == expected
    assert layouts["y"].chunk % expected == 0 or layouts["y"].chunk == 7000


def test_shards_come_where_there_would_be_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def shard(samples: int, shard: str | int = "auto") -> int | None:
        values = np.broadcast_to(np.zeros((), "u1"), (samples, 1 << 20))
        return plan_layouts({"x": values}, 1, shard)["x"].shard

    assert shard(9_999) is None
    assert shard(20_000) == 64  # 64 MiB
    assert shard(1_000_000) == 100  # what makes 10,000 files
    assert shard(100_000_000) == 512  # from memory at once
    assert shard(20_000, "none") is None
    assert shard(20, 7) == 7
    assert shard(20, "3MiB") == 3
    assert shard(20, 7000) == 20
    monkeypatch.setattr(layout_module, "MANY_FILES", 10)
    assert shard(20) == 20


def test_shards_and_chunks_are_written_so(digits: Path, tmp_path: Path) -> None:
    ds = import_dataset(digits, tmp_path / "a.zarr", chunk=50, shard=200)
    assert (ds.x.zarr.chunks[0], ds.x.zarr.shards[0]) == (50, 200)
    files = [path for path in (tmp_path / "a.zarr" / "x" / "c").rglob("*") if path.is_file()]
    assert len(files) == 4
    assert np.array_equal(ds.x[:], read_npz(digits)["x_train"])


def test_chunks_of_zeros_are_stored_so_that_a_missing_one_is_damage(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((100, 4)))
    import_dataset(tmp_path / "a.npy", tmp_path / "a.zarr", chunk=10)
    files = [path for path in (tmp_path / "a.zarr" / "x" / "c").rglob("*") if path.is_file()]
    assert len(files) == 10


# ---- Zarr as a source


def test_a_dataset_is_written_again_with_all_it_says(tmp_path: Path) -> None:
    group = zarr.create_group(
        str(tmp_path / "old.zarr"),
        zarr_format=2,
        attributes={
            "title": "weather",
            "lepton": {"classes": ["dry", "wet"], "roles": {"x": "temp", "y": "rain"}},
        },
    )
    temp = RNG.normal(280, 10, (100, 4, 5)).astype("f4")
    for name, values, dims, attributes in (
        ("temp", temp, ["time", "lat", "lon"], {"unit": "K"}),
        ("rain", (temp[:, 0, 0] > 280).astype(">i4"), ["time"], {}),
        ("time", np.arange(100) * 0.3, ["time"], {"unit": "h"}),
        ("lat", np.linspace(40, 50, 4), ["lat"], {}),
        ("crs", np.array(7), [], {}),
    ):
        array = group.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=(7, *values.shape[1:])[: values.ndim],
            fill_value=-1,
            attributes={"_ARRAY_DIMENSIONS": dims, **attributes},
        )
        array[...] = values
    group.create_group("inner/deep").create_array("x", shape=(3,), dtype="u1")[:] = [1, 2, 3]
    ds = import_dataset(tmp_path / "old.zarr", tmp_path / "new.zarr", max_error=1, codec="zstd")
    assert np.abs(ds.x[:] - temp).max() <= 1
    assert np.array_equal(ds.arrays["time"][:], np.arange(100) * 0.3)  # a coordinate stays
    assert np.array_equal(ds.y[:], temp[:, 0, 0] > 280)
    assert ds.y.dtype == np.dtype("i4")
    assert ds.x.dims == ("time", "lat", "lon")
    assert ds.x.zarr.attrs.asdict() == {"unit": "K", "max_error": 1}
    assert ds.x.zarr.fill_value == -1
    assert ds.classes == ["dry", "wet"]
    assert ds.attrs["title"] == "weather"
    assert ds.left_out == ["crs", "lat"]
    new = zarr.open_group(str(tmp_path / "new.zarr"), mode="r")
    assert new["crs"][()] == 7
    assert np.array_equal(new["lat"][:], np.linspace(40, 50, 4))
    assert ds["inner"]["deep"].arrays["x"][:].tolist() == [1, 2, 3]
    assert codecs_of(ds)["temp"] == ["bytes", "zstd", "crc32c"]


def test_history_and_source_go_along(digits: Path, tmp_path: Path) -> None:
    import_dataset(digits, tmp_path / "a.zarr")
    ds = import_dataset(tmp_path / "a.zarr", tmp_path / "a.zarr", codec="gzip", force=True)
    first, second = ds.attrs["lepton"]["history"]
    assert "from" not in first
    assert second["from"] == str(tmp_path / "a.zarr")
    assert ds.attrs["lepton"]["source"] == str(digits)
    assert dict(ds["test"].roles) == {"x": "x", "y": "y"}
    assert np.array_equal(ds.x[:], read_npz(digits)["x_train"])


def test_a_damaged_dataset_is_not_copied(digits: Path, tmp_path: Path) -> None:
    import_dataset(digits, tmp_path / "a.zarr")
    chunk = tmp_path / "a.zarr" / "x" / "c" / "0" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"'x' in .* cannot be read"):
        import_dataset(tmp_path / "a.zarr", tmp_path / "b.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "digits.npz"]


def test_large_chunks_of_a_source_are_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lepton_jlab.data import writing
    from lepton_jlab.data.layout import Layout
    from lepton_jlab.data.writing import Job

    class Stored:
        shape, dtype, stored_together = (1000, 10), np.dtype("u1"), 300

    monkeypatch.setattr(writing, "BLOCK_BYTES", 1000)
    values: Any = Stored()
    target: Any = None
    starts = [start for start, _ in Job("x", values, target, Layout(50)).blocks()]
    assert starts == [0, 300, 600, 900]


# ---- what others see


def test_metadata_are_consolidated(digits: Path, tmp_path: Path) -> None:
    import_dataset(digits, tmp_path / "a.zarr")
    root = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())
    known = root["consolidated_metadata"]["metadata"]
    assert set(known) == {"x", "y", "test", "test/x", "test/y"}
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r", use_consolidated=True)
    assert group["test"]["x"].shape == (300, 16, 16, 1)


def test_large_members_of_an_archive_are_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lepton_jlab.data.sources import npz

    monkeypatch.setattr(npz, "LARGE", 1000)
    arrays = {
        "x": RNG.normal(size=(50, 7)),
        "columns": np.asfortranarray(RNG.normal(size=(40, 9)).astype(">f4")),
        "few": np.arange(3),
        "none": np.zeros((0, 4)),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    np.savez_compressed(tmp_path / "b.npz", **arrays)
    for name in ("a.npz", "b.npz"):
        found = read_npz(tmp_path / name)
        for key, values in arrays.items():
            assert np.array_equal(found[key], values)
            assert found[key].dtype == values.dtype
        assert isinstance(found["x"], np.memmap) == (name == "a.npz")
        assert not isinstance(found["few"], np.memmap)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[500] ^= 1  # among the values of x
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(DataError, match="cannot be read as a NumPy archive"):
        import_dataset(tmp_path / "a.npz", tmp_path / "a.zarr")


def test_a_zipped_dataset_is_a_source(digits: Path, tmp_path: Path) -> None:
    import shutil

    import_dataset(digits, tmp_path / "a.zarr")
    shutil.make_archive(str(tmp_path / "a.zarr"), "zip", tmp_path / "a.zarr")
    ds = import_dataset(tmp_path / "a.zarr.zip", tmp_path / "b.zarr", codec="blosc-lz4")
    assert np.array_equal(ds.x[:], open_dataset(tmp_path / "a.zarr").x[:])
