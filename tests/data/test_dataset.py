"""Opening what is Zarr, saying clearly what is not, splitting, pickling, showing."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.core.array import ShardsConfigParam

from lepton_jlab.data import Dataset, find_datasets, open_dataset
from lepton_jlab.errors import DataError, NotFoundError, UsageError

MakeDataset = Callable[..., Dataset]


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_v2_and_v3_open_alike(make_dataset: MakeDataset, version: int) -> None:
    ds = make_dataset(zarr_format=version)
    assert len(ds) == 150
    assert dict(ds.roles) == {"x": "x", "y": "y"}
    assert ds.x.shape == (150, 3)
    assert np.array_equal(ds.y[:], np.arange(150))
    assert ds.info()["zarr_format"] == version


def test_sharded_arrays_open(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "s.zarr"))
    array = group.create_array("x", shape=(100, 4), dtype="i4", chunks=(8, 4), shards=(32, 4))
    array[:] = np.arange(400).reshape(100, 4)
    ds = open_dataset(tmp_path / "s.zarr")
    (described,) = ds.info()["arrays"]
    assert described["shards"] == [32, 4]
    assert described["chunks"] == [8, 4]
    assert [codec["name"] for codec in described["codecs"]] == ["bytes", "zstd"]
    assert ds.x[99].tolist() == [396, 397, 398, 399]


def test_a_group_as_xarray_writes_it_leaves_other_axes_out(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "maps.zarr"), mode="w", zarr_format=2)
    for name, dims, shape in (
        ("temperature", ["time", "y", "x"], (30, 5, 5)),
        ("time", ["time"], (30,)),
        ("x", ["x"], (5,)),
        ("y", ["y"], (5,)),
        ("crs", [], ()),
    ):
        array = group.create_array(name, shape=shape, dtype="f8", chunks=shape)
        array[...] = 1.0
        array.attrs["_ARRAY_DIMENSIONS"] = dims
    ds = open_dataset(tmp_path / "maps.zarr")
    assert len(ds) == 30
    assert set(ds.arrays) == {"temperature", "time"}
    assert ds.left_out == ["crs", "x", "y"]
    assert not ds.roles
    assert ds.arrays["temperature"].dims == ("time", "y", "x")


def test_a_single_array_is_a_dataset_of_inputs(make_dataset: MakeDataset) -> None:
    ds = open_dataset(f"{make_dataset().path}/x")
    assert dict(ds.roles) == {"x": "x"}
    assert len(ds) == 150


@pytest.mark.parametrize("inside", [False, True])
def test_a_zip_file_opens(make_dataset: MakeDataset, tmp_path: Path, inside: bool) -> None:
    ds = make_dataset()
    root, base = (tmp_path, "numbers.zarr") if inside else (ds.path, None)
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", root, base)
    packed = pickle.loads(pickle.dumps(open_dataset(archive)))
    assert np.array_equal(packed.y[:], ds.y[:])


def test_datasets_inside_a_dataset_are_reached_by_name_and_by_path(
    make_dataset: MakeDataset,
) -> None:
    outer, _ = make_dataset(), make_dataset(20, name="numbers.zarr/test")
    assert outer.groups == ["test"]
    assert "test" in outer
    assert len(outer["test"]) == len(open_dataset(f"{outer.path}/test")) == 20
    with pytest.raises(NotFoundError, match="Did you mean 'test'"):
        outer["tests"]
    with pytest.raises(NotFoundError, match=r"ds.arrays\['x'\]"):
        outer["x"]


def test_roles_come_from_the_attribute(tmp_path: Path) -> None:
    attributes = {"lepton": {"roles": {"x": "image", "y": "kind"}, "classes": ["a", "b"]}}
    group = zarr.create_group(str(tmp_path / "r.zarr"), attributes=attributes)
    group.create_array("image", shape=(9, 8, 8), dtype="u1")
    group.create_array("kind", shape=(9,), dtype="u1")
    ds = open_dataset(tmp_path / "r.zarr")
    assert (ds.x.name, ds.y.name, ds.classes) == ("image", "kind", ["a", "b"])


def test_roles_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "r.zarr"))
    group.create_array("x", shape=(9,), dtype="u1")
    group.create_array("y", shape=(8,), dtype="u1")
    with pytest.raises(DataError, match=r"'x' has 9 samples, but 'y' \(y\) has 8"):
        len(open_dataset(tmp_path / "r.zarr"))
    group.attrs["lepton"] = {"roles": {"x": "picture"}}
    with pytest.raises(DataError, match="the role 'x' to 'picture'"):
        len(open_dataset(tmp_path / "r.zarr"))


# ---- what is not there, or not Zarr


def test_a_missing_path_suggests_the_nearest_name(make_dataset: MakeDataset) -> None:
    ds = make_dataset(name="fashion.zarr")
    with pytest.raises(NotFoundError, match=r"Did you mean 'fashion.zarr'"):
        open_dataset(ds.path.replace("fashion.zarr", "fashoin.zarr"))
    with pytest.raises(NotFoundError, match=r"Did you mean 'fashion.zarr'"):
        open_dataset(ds.path.removesuffix(".zarr"))
    with pytest.raises(NotFoundError, match=r"In .*: fashion.zarr"):
        open_dataset(ds.path.replace("fashion", "something-else"))
    with pytest.raises(NotFoundError, match="does not exist"):
        open_dataset("/no/such/folder/a.zarr")


def test_what_is_not_zarr_says_how_to_import_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not a Zarr dataset. Import"):
        open_dataset(tmp_path)
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"%lepton data import table.csv table.zarr"):
        open_dataset(tmp_path / "table.csv")
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr" / "zarr.json").write_text("{")
    with pytest.raises(DataError, match="cannot be opened as Zarr"):
        open_dataset(tmp_path / "bad.zarr")


def test_a_broken_chunk_names_array_and_samples(make_dataset: MakeDataset) -> None:
    ds = make_dataset()
    Path(ds.path, "x", "c", "1", "0").write_bytes(b"broken")
    assert ds.x[:16].shape == (16, 3)
    with pytest.raises(DataError, match=r"Samples 10 to 20 of 'x' in .*numbers.zarr"):
        ds.x[10:20]


# ---- indexing, splitting, pickling


@pytest.mark.parametrize("rows", [slice(60, 90), [63, 65]])
def test_a_shard_that_was_cut_off_is_an_error_and_not_the_fill_value(
    tmp_path: Path, rows: slice | list[int]
) -> None:
    group = zarr.create_group(str(tmp_path / "s.zarr"))
    cut: ShardsConfigParam = {"shape": (100, 4), "index_location": "start"}
    array = group.create_array(
        "x", shape=(100, 4), dtype="i4", chunks=(10, 4), shards=cut, filters=None, compressors=None
    )
    array[:] = np.ones((100, 4))
    shard = next(path for path in (tmp_path / "s.zarr/x/c").rglob("*") if path.is_file())
    os.truncate(shard, shard.stat().st_size // 2)
    ds = open_dataset(tmp_path / "s.zarr")
    assert ds.x[:20].all()
    assert not array[rows].all()  # what zarr makes of it
    with pytest.raises(DataError, match="before the end of a chunk: it was cut off"):
        ds.x[rows]


def test_columns_index_like_arrays(make_dataset: MakeDataset) -> None:
    whole = make_dataset()
    part, _ = whole.split(0.5)
    for ds in (whole, part):
        values = np.asarray(ds.x)
        assert values.shape == ds.x.shape
        odd = np.arange(len(ds)) % 2 == 1
        keys = (
            3,
            -1,
            slice(5, 9),
            slice(None, None, 7),
            [9, 2, 2],
            odd,
            (slice(4), 1),
            (2, 1),
            ...,
        )
        for key in keys:
            assert np.array_equal(ds.x[key], values[key]), key
        with pytest.raises(IndexError):
            ds.x[len(ds)]


def test_a_split_is_disjoint_covers_everything_and_is_reproducible(
    make_dataset: MakeDataset,
) -> None:
    ds = make_dataset(1000)
    parts = ds.split(train=0.7, val=0.1, test=0.2, seed=5)
    assert [len(part) for part in parts] == [700, 100, 200]
    assert parts.val is parts[1]
    assert sorted(np.concatenate([part.y[:] for part in parts])) == list(range(1000))
    assert np.array_equal(ds.split(train=0.7, val=0.1, test=0.2, seed=5)[2].y[:], parts[2].y[:])
    assert not np.array_equal(ds.split(0.7, seed=6)[0].y[:], ds.split(0.7, seed=5)[0].y[:])
    thirds = make_dataset(2_000_000, 100_000, "b").split(a=0.333333, b=0.333333, c=0.333333 + 5e-7)
    assert sum(len(part) for part in thirds) == 2_000_000
    inner = parts.train.split(0.5)
    assert sorted(np.concatenate([part.y[:] for part in inner])) == sorted(parts.train.y[:])


@pytest.mark.parametrize(
    "shares", [{"share": 1.5}, {"a": 0.5, "b": 0.4}, {}, {"share": 0.5, "b": 1}]
)
def test_shares_that_do_not_add_up_are_refused(
    make_dataset: MakeDataset, shares: dict[str, float]
) -> None:
    with pytest.raises(UsageError, match=r"split"):
        make_dataset().split(**shares)


def test_a_pickle_is_an_address(make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = make_dataset(100_000, chunks=10_000)
    make_dataset(10, name="numbers.zarr/test")
    monkeypatch.chdir(Path(ds.path).parent)
    ds = open_dataset("numbers.zarr")
    monkeypatch.chdir("/")
    for view in (ds, ds.split(0.8)[1], ds.split(0.8)[0].split(a=0.5, b=0.5)[1], ds["test"]):
        data = pickle.dumps(view)
        assert len(data) < 500
        assert np.array_equal(pickle.loads(data).y[:], view.y[:])


# ---- showing


def test_images_are_shown_with_their_class_names(tmp_path: Path) -> None:
    attributes = {"lepton": {"classes": ["<cat>", "dog"]}}
    group = zarr.create_group(str(tmp_path / "pets.zarr"), attributes=attributes)
    group.create_array("x", shape=(30, 28, 28, 1), dtype="u1")
    group.create_array("y", shape=(30,), dtype="u1")
    html = open_dataset(tmp_path / "pets.zarr")._repr_html_()
    assert html.count("data:image/png;base64,") == 10
    assert "&lt;cat&gt;" in html
    assert "<cat>" not in html


def test_other_samples_are_shown_as_a_table(make_dataset: MakeDataset) -> None:
    ds = make_dataset()
    html = ds._repr_html_()
    assert "<img" not in html
    assert '<td style="text-align:left">4</td>' in html
    known = ds.info()["arrays"][0]
    assert '<td style="text-align:left">x</td>' in html
    assert f">{known['stored_bytes'] / 1000:.1f} kB<" in html
    assert f">{known['ratio']:.3g}</td>" in html
    assert repr(ds) == "<Dataset numbers.zarr: 150 samples; x (3,) float32, y () int32>"


def test_a_broken_chunk_does_not_hide_the_rest(make_dataset: MakeDataset) -> None:
    ds = make_dataset()
    Path(ds.path, "x", "c", "0", "0").write_bytes(b"broken")
    assert "cannot be read" in ds._repr_html_()


def test_info_is_json_and_its_sizes_are_those_on_disk(make_dataset: MakeDataset) -> None:
    ds = make_dataset()
    make_dataset(20, name="numbers.zarr/test")
    info = json.loads(json.dumps(open_dataset(ds.path).info()))
    assert info["samples"] == 150
    assert info["original_bytes"] == 170 * 3 * 4 + 170 * 4
    assert info["ratio"] == round(info["original_bytes"] / info["stored_bytes"], 3)
    assert info["groups"]["test"]["arrays"][0]["shape"] == [20, 3]


def test_the_datasets_of_a_folder_are_found(make_dataset: MakeDataset, tmp_path: Path) -> None:
    (tmp_path / "deep" / ".hidden").mkdir(parents=True)
    make_dataset(10, name="a.zarr")
    make_dataset(20, name="deep/b.zarr")
    make_dataset(30, name="deep/.hidden/c.zarr")
    make_dataset(5, name="a.zarr/test")
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr" / "zarr.json").write_text("{")
    found = {row["name"]: row for row in find_datasets(tmp_path)}
    assert list(found) == ["a.zarr", "bad.zarr", "deep/b.zarr"]
    assert [found[name]["samples"] for name in ("a.zarr", "deep/b.zarr")] == [15, 20]
    assert found["a.zarr"]["stored_bytes"] > 0
    assert "cannot be opened" in found["bad.zarr"]["error"]
