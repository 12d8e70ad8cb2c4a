"""Preparing datasets: statistics in one pass, steps in batches, splits, views, saved views."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lepton_jlab.data import open_dataset
from lepton_jlab.data.prepare import Recipe
from lepton_jlab.data.prepare import statistics as module
from lepton_jlab.data.prepare.statistics import statistics
from lepton_jlab.errors import DataError, UsageError


def write(path: Path, chunk: int = 16, **arrays: np.ndarray):
    group = zarr.create_group(str(path))
    for name, values in arrays.items():
        kind = "str" if values.dtype.kind in "OUT" else values.dtype
        array = group.create_array(
            name, shape=values.shape, dtype=kind, chunks=(chunk, *values.shape[1:])
        )
        array[:] = values
    return open_dataset(path)


class _Rows:
    def __init__(self, values):
        self._values = values

    def read(self, name):
        return self._values


def batch_of(dataset, size: int = 1000):
    return next(dataset.batches(size).numpy())


@settings(max_examples=40, deadline=None)
@given(
    values=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 4)),
        elements=st.floats(-1e4, 1e4, width=32) | st.just(np.float32("nan")),
    )
)
def test_sums_of_pieces_are_those_of_the_whole(values):
    cuts = [0, len(values) // 3, len(values) // 2, len(values)]
    sums = None
    for a, b in pairwise(cuts):
        if a < b:
            one = module._sums(_Rows(values[a:b]), "x", each=True)
            sums = one if sums is None else sums.merged(one)
    found = sums.statistics()
    for place, column in enumerate(values.T.astype("f8")):
        finite = column[np.isfinite(column)]
        assert found.count[place] == len(finite)
        if len(finite):
            assert found.mean[place] == pytest.approx(finite.mean(), abs=1e-6, rel=1e-6)
            assert found.std[place] == pytest.approx(finite.std(), abs=1e-3, rel=1e-6)
            assert found.minimum[place] == finite.min()
            assert found.maximum[place] == finite.max()
    assert found.missing == (~np.isfinite(values)).sum()
    assert found.missing_samples == (~np.isfinite(values)).any(1).sum()


def test_normalized_batches_have_mean_0_and_width_1(tmp_path):
    x = np.random.default_rng(0).normal([3, -2], [5, 0.1], (500, 2)).astype("f4")
    ds = write(tmp_path / "a.zarr", x=x, y=np.arange(500)).normalize()
    got, y = batch_of(ds)
    np.testing.assert_allclose(got.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(got.std(0), 1, atol=1e-4)
    np.testing.assert_array_equal(y, np.arange(500))
    np.testing.assert_array_equal(ds.recipe(x), got)  # what serving does


def test_a_range_and_a_place_that_never_changes(tmp_path):
    x = np.stack([np.arange(50), np.full(50, 7)], axis=1).astype("i4")
    got = batch_of(write(tmp_path / "a.zarr", x=x).normalize(kind="range"))
    assert (got[:, 0].min(), got[:, 0].max()) == (0, 1)
    assert not got[:, 1].any()


def test_statistics_are_kept_with_the_dataset_until_it_changes(tmp_path):
    ds = write(tmp_path / "a.zarr", x=np.arange(100, dtype="f4"))
    zarr.consolidate_metadata(str(tmp_path / "a.zarr"))
    before = statistics(ds, "x")
    files = {p: p.read_bytes() for p in (tmp_path / "a.zarr" / "x").rglob("*") if p.is_file()}
    again = open_dataset(tmp_path / "a.zarr")

    def never(function, pieces):
        raise AssertionError("they were taken again")

    assert statistics(again, "x", parallel=never) == before
    assert again.attrs["lepton"]["history"][-1]["action"] == "statistics"
    assert files == {p: p.read_bytes() for p in files}  # samples are not touched
    zarr.open_group(str(tmp_path / "a.zarr"), mode="r+")["x"][0] = 1000
    assert statistics(open_dataset(tmp_path / "a.zarr"), "x").maximum == (1000,)


def test_statistics_of_a_split_see_that_part_alone(tmp_path):
    train, val = write(tmp_path / "a.zarr", x=np.arange(100, dtype="f4")).split(0.8)
    assert statistics(train, "x").mean[0] == pytest.approx(np.asarray(train.x).mean())
    assert statistics(val, "x").samples == 20
    shared = val.prepared(train.normalize().recipe)
    np.testing.assert_allclose(batch_of(shared), train.normalize().recipe(np.asarray(val.x)))


def test_a_folder_that_cannot_be_written_has_statistics_too(tmp_path):
    ds = write(tmp_path / "a.zarr", x=np.arange(100, dtype="f4"))
    (tmp_path / "a.zarr" / "zarr.json").chmod(0o444)
    (tmp_path / "a.zarr").chmod(0o555)
    try:
        assert statistics(ds, "x").mean == (49.5,)
    finally:
        (tmp_path / "a.zarr").chmod(0o755)


def test_missing_values_are_an_error_until_told_otherwise(tmp_path):
    x = np.ones((40, 3), "f4")
    x[5, 1] = np.nan
    x[6] = np.inf
    ds = write(tmp_path / "a.zarr", x=x)
    with pytest.raises(DataError, match="4 values that are not finite, in 2 of 40 samples"):
        ds.normalize()
    assert np.isfinite(batch_of(ds.normalize(missing="mean"))).all()


def test_steps_come_in_the_order_given_and_travel(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), np.uint8)
    ds = write(tmp_path / "a.zarr", x=images, y=np.arange(30) % 3)
    ds = ds.normalize().resize(4, 4).cast("float16").one_hot(3)
    for one in (ds, pickle.loads(pickle.dumps(ds))):
        x, y = batch_of(one)
        assert (x.shape, x.dtype, y.shape) == ((30, 4, 4, 1), np.float16, (30, 3))
    assert len(ds.recipe.words()) == 4
    with pytest.raises(DataError, match="before other steps"):
        ds.normalize()


def test_the_test_part_gets_the_recipe_of_the_training_part(tmp_path):
    write(tmp_path / "a.zarr", x=np.arange(10, dtype="f4"))
    write(tmp_path / "a.zarr" / "test", x=np.arange(100, 110, dtype="f4"))
    ds = open_dataset(tmp_path / "a.zarr").normalize()
    assert batch_of(ds["test"]).min() > 10


def test_texts_become_the_numbers_of_their_words(tmp_path):
    ds = write(tmp_path / "a.zarr", x=np.array(["b a", "a c a", ""], object), y=np.arange(3))
    made = ds.tokenize(length=3)
    np.testing.assert_array_equal(batch_of(made)[0], [[4, 2, 0], [2, 3, 2], [0, 0, 0]])
    assert batch_of(ds.tokenize(vocabulary=2, mode="count"))[0].tolist() == [[1, 1], [1, 2], [0, 0]]


def test_a_function_is_called_on_batches(tmp_path):
    def squared(values):
        return values.astype("f4") ** 2

    ds = write(tmp_path / "a.zarr", x=np.arange(10), y=np.arange(10)).map(squared)
    np.testing.assert_array_equal(batch_of(ds)[0], np.arange(10.0) ** 2)
    again = Recipe.from_dict(ds.recipe.to_dict(), trust=True)
    np.testing.assert_array_equal(again(np.arange(10)), np.arange(10.0) ** 2)


def test_unknown_arrays_are_named(tmp_path):
    ds = write(tmp_path / "a.zarr", x=np.arange(10), y=np.arange(10), z=np.arange(10))
    with pytest.raises(UsageError, match="no array 'w'"):
        ds.cast("f4", "w")
    with pytest.raises(UsageError, match="'z' has no role"):
        ds.cast("f4", "z")
    with pytest.raises(UsageError, match="recipe is for an array 'w'"):
        ds.prepared(Recipe().then("w", abs))


# ---- splits and views


def test_each_part_has_its_share_of_each_class(tmp_path):
    y = np.repeat([0, 1, 2], [600, 90, 10])
    ds = write(tmp_path / "a.zarr", x=np.arange(700), y=np.random.default_rng(0).permutation(y))
    parts = ds.split(train=0.7, val=0.2, test=0.1, stratify="y")
    counts = [np.bincount(np.asarray(p.y), minlength=3) for p in parts]
    np.testing.assert_array_equal(counts, [[420, 63, 7], [120, 18, 2], [60, 9, 1]])
    rows = np.concatenate([np.asarray(p.x) for p in parts])
    assert sorted(rows) == list(range(700))
    again = pickle.loads(pickle.dumps(parts.val))
    np.testing.assert_array_equal(np.asarray(again.x), np.asarray(parts.val.x))


def test_groups_stay_together(tmp_path):
    patient = np.random.default_rng(1).integers(0, 40, 1000)
    names = np.array([f"p{i}" for i in patient], object)
    ds = write(tmp_path / "a.zarr", x=np.arange(1000), y=np.zeros(1000, "i4"), patient=names)
    train, val = ds.split(0.8, group="patient", seed=3)
    assert not set(train.arrays["patient"][:]) & set(val.arrays["patient"][:])
    assert abs(len(train) - 800) < 40
    assert len(train) + len(val) == 1000
    assert set(np.asarray(train.x)) != set(np.asarray(ds.split(0.8, group="patient", seed=4)[0].x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stratify": "x"}, "no class or group"),
        ({"stratify": "w"}, "no array 'w'"),
        ({"stratify": "y", "group": "y"}, "give one"),
    ],
)
def test_splits_that_cannot_be_say_so(tmp_path, options, message):
    ds = write(tmp_path / "a.zarr", x=np.ones((10, 2), "f4") / 3, y=np.arange(10))
    with pytest.raises(UsageError, match=message):
        len(ds.split(0.5, **options)[0])


def test_a_view_of_some_samples(tmp_path):
    ds = write(tmp_path / "a.zarr", x=np.arange(100), y=np.arange(100))
    for which in ([5, 70, 2], np.isin(np.arange(100), [2, 5, 70])):
        view = pickle.loads(pickle.dumps(ds.select(which)))
        np.testing.assert_array_equal(batch_of(view)[0], [2, 5, 70])
    assert ds.select([5]).split_of != ds.select([6]).split_of
    with pytest.raises(UsageError, match="samples 0 to 99"):
        ds.select([100])


def test_a_saved_view_is_a_dataset_of_its_own(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), np.uint8)
    ds = write(tmp_path / "a.zarr", x=images, y=np.arange(50) % 5, note=np.full(50, "n", object))
    before = {p: p.read_bytes() for p in (tmp_path / "a.zarr").rglob("*") if p.is_file()}
    view = ds.select(np.arange(10, 40)).resize(4, 4)
    told = []
    saved = view.save(tmp_path / "b.zarr", progress=lambda *how: told.append(how))
    np.testing.assert_array_equal(batch_of(saved)[0], batch_of(view)[0])
    assert saved.arrays["note"][0] == "n"
    assert told[-1][0] == told[-1][1] > 0
    history = saved.attrs["lepton"]["history"]
    assert history[-1]["action"] == "save"
    assert Recipe.from_dict(history[-1]["recipe"]) == view.recipe
    assert before == {p: p.read_bytes() for p in before}
    with pytest.raises(DataError, match="exists already"):
        view.save(tmp_path / "b.zarr")
    with pytest.raises(DataError, match="is read for this"):
        view.save(tmp_path / "a.zarr", force=True)


def test_an_interrupted_save_leaves_nothing(tmp_path):
    ds = write(tmp_path / "a.zarr", x=np.arange(1000))

    def interrupt(function, pieces):
        yield function(pieces[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ds.save(tmp_path / "b.zarr", parallel=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_classes_of_a_dataset_give_the_width_of_one_hot(tmp_path):
    ds = write(tmp_path / "a.zarr", x=np.arange(9), y=np.arange(9) % 3)
    assert batch_of(ds.one_hot())[1].shape == (9, 3)
    assert Counter(batch_of(ds.one_hot())[1].argmax(1).tolist()) == {0: 3, 1: 3, 2: 3}
