"""Batches as NumPy arrays: aligned, once an epoch, the same again; no TensorFlow needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.stream.storing import make_batches, read_by_chunks, recorded_reads

from lepton_jlab.data import Dataset, open_dataset
from lepton_jlab.errors import DataError

MakeDataset = Callable[..., Dataset]


@pytest.fixture(params=["one window", "many windows"])
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """Samples in a window, or None for all; where they are many, the arrays are not kept whole."""
    if request.param == "one window":
        return None
    read_by_chunks(monkeypatch)
    return 150


@pytest.mark.parametrize("share", [None, 0.3])
@pytest.mark.parametrize("shuffle", [False, True])
def test_each_sample_once_an_epoch_with_x_and_y_together(
    make_dataset: MakeDataset, shuffle: bool, share: float | None, window: int | None
) -> None:
    ds = make_dataset(777, chunks=100)
    ds = ds if share is None else ds.split(share)[0]
    batches = make_batches(ds, shuffle=shuffle, window=window)
    assert (len(list(batches.stream.order.windows(0))) > 1) is (window is not None)
    for _ in range(2):
        epoch = list(batches.numpy())
        assert len(epoch) == len(batches) == -(-len(ds) // 32)
        assert [len(y) for _, y in epoch] == batches.stream.order.batch_sizes.tolist()
        assert all(np.array_equal(x[:, 2], y) for x, y in epoch)
        assert all(x.dtype == "f4" and y.dtype == "i4" for x, y in epoch)
        given = np.concatenate([y for _, y in epoch])
        assert np.array_equal(np.sort(given), ds.y[:])
        assert np.array_equal(given, ds.y[:]) is not shuffle


def test_ranks_share_the_work(make_dataset: MakeDataset, window: int | None) -> None:
    ds = make_dataset(501, chunks=64)
    ranks = [make_batches(ds, 50, window=window, rank=rank, world=2) for rank in range(2)]
    epochs = [[y for _, y in rank.numpy()] for rank in ranks]
    assert len(epochs[0]) == len(epochs[1]) == len(ranks[0]) == 6
    assert sorted(np.concatenate([*epochs[0], *epochs[1]])) == list(range(501))


@pytest.mark.parametrize("world", [1, 3])
@pytest.mark.parametrize("chunks", [(8, 12), (7, 5), (12, 4), (1, 6)])
def test_no_chunk_is_decoded_twice_where_a_common_multiple_fits_into_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunks: tuple[int, int], world: int
) -> None:
    read_by_chunks(monkeypatch)
    group = zarr.create_group(str(tmp_path / "two.zarr"))
    for name, chunk in zip("xy", chunks, strict=True):
        group.create_array(name, data=np.arange(400), chunks=(chunk,), shards=(10 * chunk,))
    ds = open_dataset(tmp_path / "two.zarr")
    with recorded_reads() as reads:
        for rank in range(world):
            list(make_batches(ds, 10, window=200, rank=rank, world=world).numpy())
    expected = [
        (name, (n,)) for name, c in zip("xy", chunks, strict=True) for n in range(-(-400 // c))
    ]
    assert sorted(reads) == expected


def test_small_arrays_are_read_once_for_all_epochs(make_dataset: MakeDataset) -> None:
    batches = make_batches(make_dataset())
    list(batches.numpy())
    with recorded_reads() as reads:
        list(batches.numpy())
    assert not reads


@pytest.mark.parametrize("dtype", [">f4", "<f4"])
def test_arrays_of_another_byte_order_come_in_that_of_this_machine(
    tmp_path: Path, dtype: str, window: int | None
) -> None:
    group = zarr.create_group(str(tmp_path / "b.zarr"), zarr_format=2)
    group.create_array("x", shape=(500,), dtype=dtype, chunks=(50,))[:] = np.arange(500)
    batch, *_ = make_batches(open_dataset(tmp_path / "b.zarr"), 500, window=window).numpy()
    assert batch.dtype.isnative
    assert sorted(batch) == list(range(500))


def test_iterations_are_epochs_and_an_epoch_can_be_had_again(make_dataset: MakeDataset) -> None:
    batches = make_batches(make_dataset(500))
    first, second = ([y.tolist() for _, y in batches.numpy()] for _ in range(2))
    assert first != second
    batches.epoch = 0
    assert [y.tolist() for _, y in batches.numpy()] == first
    assert [y.tolist() for _, y in make_batches(make_dataset(500, name="b")).numpy()] == first


def test_an_iterator_that_is_not_drawn_from_takes_no_epoch(make_dataset: MakeDataset) -> None:
    batches = make_batches(make_dataset())
    iter(batches)
    assert batches.epoch == 0
    next(iter(batches))  # and one left early is no trouble
    assert batches.epoch == 1
    assert len(list(batches)) == len(batches)


@pytest.mark.parametrize("epoch", [0, 1, 2])
@pytest.mark.parametrize("drawn", [0, 3, "all but the end"])
def test_iterators_of_the_same_batches_do_not_disturb_each_other(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch, drawn: Any, epoch: int
) -> None:
    read_by_chunks(monkeypatch)
    ds = make_dataset(500)
    batches, alone = (make_batches(ds, window=100) for _ in range(2))
    batches.epoch = epoch
    first = batches.numpy()
    wanted = len(batches) if drawn == "all but the end" else drawn
    seen = [next(first)[1].tolist() for _ in range(wanted)]
    second = batches.numpy()
    also_seen = [next(second)[1].tolist()]
    if drawn != 3:
        first.close()
    else:
        seen += [y.tolist() for _, y in first]
    also_seen += [y.tolist() for _, y in second]
    alone.epoch = epoch
    epochs = [[y.tolist() for _, y in alone.numpy()] for _ in range(3)]
    assert seen == epochs[0][: len(seen)]
    assert also_seen in epochs


def test_a_group_without_roles_gives_dicts_and_x_alone_gives_x(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "g.zarr"))
    for name in ("a", "b"):
        group.create_array(name, shape=(70, 2), dtype="i2")[:] = 1
    (batch,) = make_batches(open_dataset(tmp_path / "g.zarr"), 70).numpy()
    assert {name: values.shape for name, values in batch.items()} == {"a": (70, 2), "b": (70, 2)}
    (batch,) = make_batches(open_dataset(tmp_path / "g.zarr" / "a"), 70).numpy()
    assert batch.shape == (70, 2)


def test_sample_weights_come_third(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "w.zarr"))
    for name in ("sample_weight", "x", "y", "other"):
        group.create_array(name, shape=(10,), dtype="f4")[:] = len(name)
    (batch,) = make_batches(open_dataset(tmp_path / "w.zarr")).numpy()
    assert [values[0] for values in batch] == [1, 1, 13]


def test_strings_and_absent_chunks_are_read(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "t.zarr"))
    words = np.array(["a", "bcd"] * 50, dtype=object)
    group.create_array("x", shape=(100,), dtype="str", chunks=(30,))[:] = words
    group.create_array("y", shape=(100,), dtype="f4", chunks=(30,), fill_value=7.0)
    for x, y in make_batches(open_dataset(tmp_path / "t.zarr"), shuffle=False).numpy():
        assert x[:2].tolist() == ["a", "bcd"]
        assert (y == 7).all()


def test_a_broken_chunk_stops_the_epoch_with_its_name(make_dataset: MakeDataset) -> None:
    ds = make_dataset()
    Path(ds.path, "x", "c", "3", "0").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"'x' .*numbers.zarr"):
        list(make_batches(ds).numpy())


def test_a_group_of_groups_says_what_is_inside(make_dataset: MakeDataset, tmp_path: Path) -> None:
    zarr.create_group(str(tmp_path / "outer.zarr"))
    make_dataset(name="outer.zarr/train")
    with pytest.raises(DataError, match=r"no arrays of samples. Inside: train"):
        make_batches(open_dataset(tmp_path / "outer.zarr"))
