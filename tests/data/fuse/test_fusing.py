"""Fusing: counts, forms, class names, conflicts, keys; the sources stay and nothing is copied."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

import lepton_jlab as lepton
from lepton_jlab.cli import main
from lepton_jlab.data import open_dataset
from lepton_jlab.data.describe import disk_bytes
from lepton_jlab.data.fuse import by_source, fuse, join
from lepton_jlab.data.fuse.rows import packed, unpacked
from lepton_jlab.errors import DataError, UsageError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (2000, 12, 12, 1), np.uint8)


def write(path: Path, classes=None, chunk: int = 100, about=None, **arrays: np.ndarray) -> Path:
    group = zarr.create_group(
        str(path), attributes={"lepton": {"classes": classes}} if classes else None
    )
    for name, values in arrays.items():
        kind = "str" if values.dtype.kind in "OUT" else values.dtype
        array = group.create_array(
            name,
            shape=values.shape,
            dtype=kind,
            chunks=(chunk, *values.shape[1:]),
            attributes=(about or {}).get(name),
        )
        array[:] = values
    return path


def contents(*paths: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for path in paths for p in path.rglob("*") if p.is_file()}


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """Sources of different names, dtypes, chunks; 200 of B are in A, 150 of C in A or B."""
    y = np.arange(2000) % 3
    a = write(tmp_path / "a.zarr", ["cat", "dog", "cow"], x=IMAGES[:1000], y=y[:1000].astype("u1"))
    b = write(
        tmp_path / "b.zarr",
        ["Cow", "hound", "kitty"],
        chunk=64,
        x=(IMAGES[800:1500] / np.float32(1)).astype("f4"),
        y=np.array([2, 1, 0])[y[800:1500]].astype("i8"),
    )
    c = write(
        tmp_path / "c.zarr",
        ["dog", "cat", "cow", "other"],
        chunk=33,
        x=np.concatenate([IMAGES[50:100], IMAGES[1400:2000]]).astype("i4"),
        y=np.array([1, 0, 2])[np.r_[y[50:100], y[1400:2000]]].astype("i4"),
        extra=np.arange(650),
    )
    return [a, b, c]


TABLE = {"b.zarr": {"hound": "dog", "kitty": "cat"}}
EXPECTED = np.concatenate([IMAGES[:1000], IMAGES[800:1500], IMAGES[50:100], IMAGES[1400:2000]])


def test_three_sources_are_counted_and_nothing_is_copied(tmp_path, three, capsys):
    before = contents(*three)
    stored = sum(map(disk_bytes, three))
    (tmp_path / "classes.json").write_text(json.dumps(TABLE))
    words = ["data", "fuse", *map(str, three), "--out", str(tmp_path / "all.zarr"), "--here"]
    assert main([*words, "--map", str(tmp_path / "classes.json"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(s["samples"], s["duplicates"]) for s in document["sources"]] == [
        (1000, 0),
        (700, 200),
        (650, 150),
    ]
    assert (document["overlap"], document["union"], document["samples"]) == (350, 2000, 2350)
    assert document["classes"] == ["cat", "dog", "cow", "other"]
    assert document["conflicts"] == 0
    assert document["notes"] == ["c.zarr: extra is left out, as not all have it"]
    assert disk_bytes(tmp_path / "all.zarr") <= 0.02 * stored
    assert before == contents(*three)
    ds = open_dataset(tmp_path / "all.zarr")
    np.testing.assert_array_equal(ds.x[:], EXPECTED)
    assert ds.x.dtype == np.float64 or ds.x.dtype == np.float32
    names = np.array(ds.classes)[ds.y[:]]
    wanted = np.array(["cat", "dog", "cow"])[
        np.r_[np.arange(1000), np.arange(800, 1500), np.arange(50, 100), np.arange(1400, 2000)] % 3
    ]
    np.testing.assert_array_equal(names, wanted)
    np.testing.assert_array_equal(ds.arrays["source"][:], np.repeat([0, 1, 2], [1000, 700, 650]))
    np.testing.assert_array_equal(ds.arrays["source_index"][1690:1702], [*range(690, 700), 0, 1])


def test_duplicates_between_sources_are_left_out_on_demand(tmp_path, three):
    made = fuse(three, tmp_path / "all.zarr", classes=TABLE, dedup=True)
    assert [one["kept"] for one in made.sources] == [1000, 500, 500]
    assert len(made.dataset) == made.union == 2000
    np.testing.assert_array_equal(np.sort(made.dataset.x[:], 0), np.sort(IMAGES, 0))
    assert len(np.unique(made.dataset.x[:].reshape(2000, -1), axis=0)) == 2000
    assert "union 2,000 = 2,350 - 350 in common" in repr(made)
    assert "kitty → cat" in made._repr_html_()


def test_each_sample_comes_once_an_epoch_and_belongs_to_its_label(tmp_path, three):
    ds = fuse(three, tmp_path / "all.zarr", classes=TABLE, dedup=True).dataset
    for dataset in (ds, pickle.loads(pickle.dumps(ds))):
        batches = list(dataset.batches(64, shuffle=True, memory="8MiB").numpy())
        x = np.concatenate([b[0] for b in batches]).astype("u1")
        y = np.concatenate([b[1] for b in batches])
        places = {image.tobytes(): number for number, image in enumerate(IMAGES)}
        numbers = [places[image.tobytes()] for image in x]
        assert sorted(numbers) == list(range(2000))
        assert [n % 3 for n in numbers] == y.tolist()


def test_a_fused_dataset_is_one_like_any_other(tmp_path, three):
    ds = fuse(three, tmp_path / "all.zarr", classes=TABLE).dataset
    train, val = ds.split(0.8)
    assert len(train) + len(val) == 2350
    np.testing.assert_array_equal(
        val.x[:5], EXPECTED[np.flatnonzero(np.isin(np.arange(2350), val._rows))[:5]]
    )
    assert ds.info()["samples"] == 2350
    assert next(ds.normalize().batches(10).numpy())[0].dtype.kind == "f"
    copy = ds.save(tmp_path / "copy.zarr")
    assert "fused" not in copy.attrs["lepton"]
    plain = zarr.open_group(str(tmp_path / "copy.zarr"), mode="r")
    np.testing.assert_array_equal(plain["x"][:], EXPECTED)
    again = fuse([ds, three[0]], tmp_path / "again.zarr")
    assert again.overlap == 1000


def test_it_moves_with_its_sources(tmp_path, three):
    fuse(three, tmp_path / "all.zarr", classes=TABLE)
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in (*three, tmp_path / "all.zarr"):
        shutil.move(path, moved / path.name)
    np.testing.assert_array_equal(open_dataset(moved / "all.zarr").x[:], EXPECTED)


def test_a_source_that_is_gone_or_changed_is_named(tmp_path, three):
    fuse(three, tmp_path / "all.zarr", classes=TABLE)
    group = zarr.open_group(str(three[1]), mode="r+")
    group["x"].resize((701, 12, 12, 1))
    group["y"].resize((701,))
    with pytest.raises(DataError, match=r"b\.zarr had 700 samples; now it has 701"):
        open_dataset(tmp_path / "all.zarr").x[900:1100]
    shutil.rmtree(three[1])
    with pytest.raises(DataError, match=r"b\.zarr, which is not there any more"):
        open_dataset(tmp_path / "all.zarr").x[900:1100]


@pytest.mark.parametrize(
    ("policy", "labels"),
    [
        ("first", [0, 0, 0, 0, 1]),
        ("last", [0, 0, 0, 1, 1]),
        ("majority", [0, 0, 0, 1, 1]),
        ("drop", [0, 0, 0, 1]),
        ("keep", [0, 0, 0, 0, 1, 1, 1]),
    ],
)
def test_conflicting_labels_are_listed_and_resolved_as_asked(tmp_path, policy, labels):
    a = write(tmp_path / "a.zarr", ["p", "q"], x=IMAGES[:4], y=np.zeros(4, "u1"))
    b = write(tmp_path / "b.zarr", ["p", "q"], x=IMAGES[3:5], y=np.ones(2, "u1"))
    c = write(tmp_path / "c.zarr", ["p", "q"], x=IMAGES[3:4], y=np.ones(1, "u1"))
    made = fuse([a, b, c], tmp_path / "all.zarr", dedup=True, conflicts=policy)
    assert sorted(made.dataset.y[:].tolist()) == labels
    assert made.conflicts[0] == {
        "source": "b.zarr",
        "index": 0,
        "label": "q",
        "other_source": "a.zarr",
        "other_index": 3,
        "other_label": "p",
    }
    assert len(made.conflicts) == 2
    with pytest.raises(DataError, match="2 samples have different labels"):
        fuse([a, b, c], tmp_path / "no.zarr", conflicts="error")
    assert not (tmp_path / "no.zarr").exists()


def test_sizes_colours_scales_and_units_are_brought_together(tmp_path):
    grey = write(
        tmp_path / "grey.zarr",
        about={"far": {"units": "m"}},
        x=np.full((5, 16, 16, 1), 255, "u1"),
        far=np.arange(5.0),
    )
    coloured = write(
        tmp_path / "coloured.zarr",
        about={"far": {"units": "km"}},
        x=np.ones((5, 32, 32, 3), "f4"),
        far=np.arange(5.0),
    )
    made = fuse([grey, coloured], tmp_path / "all.zarr")
    assert (made.dataset.x.shape, made.dataset.x.dtype) == ((10, 16, 16, 1), np.float32)
    np.testing.assert_allclose(made.dataset.x[:], 1, rtol=1e-6)
    np.testing.assert_allclose(made.dataset.arrays["far"][:], [*range(5), *range(0, 5000, 1000)])
    assert made.overlap == 5


def test_a_class_can_be_left_out_and_texts_are_fused(tmp_path):
    x = np.array([f"text {i}" for i in range(30)], object)
    a = write(tmp_path / "a.zarr", ["good", "bad", "?"], chunk=7, x=x[:20], y=np.arange(20) % 3)
    b = write(tmp_path / "b.zarr", ["bad", "good"], chunk=4, x=x[15:], y=np.arange(15) % 2)
    made = fuse([a, b], tmp_path / "all.zarr", classes={"?": None})
    assert made.dataset.classes == ["good", "bad"]
    keep = [i for i in range(20) if i % 3 != 2]
    assert made.dataset.x[:].tolist() == [*x[keep], *x[15:]]
    assert made.sources[0]["left_out"] == 6
    assert set(made.dataset.y[:]) == {0, 1}


@pytest.mark.parametrize(
    ("other", "classes", "error", "message"),
    [
        ({"x": np.zeros((5, 3))}, None, DataError, "differ in shape"),
        ({"x": np.array(["a"] * 5, object)}, None, DataError, "texts in some and numbers"),
        ({"z": np.zeros(5)}, None, DataError, "no array with the role 'x'"),
        ({"x": np.zeros((5, 4))}, {"a": "b"}, UsageError, "no class names to be mapped"),
    ],
)
def test_what_does_not_fit_says_so(tmp_path, other, classes, error, message):
    a = write(tmp_path / "a.zarr", x=np.zeros((5, 4)))
    b = write(tmp_path / "b.zarr", **other)
    with pytest.raises(error, match=message):
        fuse([a, b], tmp_path / "all.zarr", classes=classes)
    assert not (tmp_path / "all.zarr").exists()


def test_units_of_which_nothing_is_known_are_an_error(tmp_path):
    a = write(tmp_path / "a.zarr", about={"x": {"units": "m"}}, x=np.zeros(5))
    b = write(tmp_path / "b.zarr", about={"x": {"units": "furlong"}}, x=np.zeros(5))
    with pytest.raises(DataError, match=r"'x' is in furlong in b\.zarr and in m in others"):
        fuse([a, b], tmp_path / "all.zarr")


@pytest.mark.parametrize(
    ("classes", "message"),
    [({"bird": "cat"}, "has bird: no such class"), ({"d.zarr": {}}, "a dataset 'd.zarr'")],
)
def test_a_table_with_names_that_are_not_there_says_so(tmp_path, three, classes, message):
    with pytest.raises(UsageError, match=message):
        fuse(three, tmp_path / "all.zarr", classes=classes)


def test_a_join_by_keys(tmp_path):
    a = write(tmp_path / "a.zarr", chunk=8, x=np.arange(50.0), id=np.arange(50))
    b = write(
        tmp_path / "b.zarr", chunk=8, id=np.arange(0, 100, 2)[::-1].copy(), note=np.arange(50) * 1.5
    )
    ds = join(a, b, tmp_path / "c.zarr", on="id")
    np.testing.assert_array_equal(ds.arrays["id"][:], np.arange(0, 50, 2))
    np.testing.assert_array_equal(ds.arrays["note"][:], (np.arange(49, 24, -1)) * 1.5)
    assert ds.attrs["lepton"]["history"][-1]["left_out"] == [25, 25]
    twice = write(tmp_path / "d.zarr", id=np.array([1, 1, 2]), note=np.arange(3))
    with pytest.raises(DataError, match=r"key 1 comes 2 times in d\.zarr"):
        join(a, twice, tmp_path / "e.zarr", on="id")
    with pytest.raises(UsageError, match="no array 'key'"):
        join(a, b, tmp_path / "e.zarr", on="key")


def test_sources_are_weighed_in_training(tmp_path, three):
    ds = fuse(three, tmp_path / "all.zarr", classes=TABLE).dataset
    parts = by_source(ds)
    assert {name: len(part) for name, part in parts.items()} == {
        "a.zarr": 1000,
        "b.zarr": 700,
        "c.zarr": 650,
    }
    mixed = lepton.mix([part.batches(30) for part in parts.values()], [0.5, 0.25, 0.25])
    assert next(mixed.numpy())[0].shape == (30, 12, 12, 1)


def test_numbers_of_samples_are_packed_small():
    rows = np.delete(np.arange(1_000_000), RANDOM.integers(0, 1_000_000, 100))
    assert len(packed(rows)) < 20_000
    np.testing.assert_array_equal(unpacked(packed(rows)), rows)
    np.testing.assert_array_equal(unpacked(packed(np.array([5, 2, 2]))), [5, 2, 2])
