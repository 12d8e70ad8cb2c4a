"""What cannot be streamed is refused at once, in one sentence with the way out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.stream.storing import make_batches

from lepton_jlab.data import Dataset, open_dataset
from lepton_jlab.errors import DataError, UsageError

MakeDataset = Callable[..., Dataset]


@pytest.mark.parametrize("chunks", [(10, 3), (1000, 3), (1000, 1000), (7, 1000)])
@pytest.mark.parametrize("batch_size", [1, 32, 100])
def test_too_little_memory_names_an_amount_that_suffices(
    tmp_path: Path, chunks: tuple[int, int], batch_size: int
) -> None:
    group = zarr.create_group(str(tmp_path / "m.zarr"))
    for name, chunk in zip("xy", chunks, strict=True):
        values = np.zeros((1000, 2048), "u1")
        group.create_array(name, data=values, chunks=(chunk, 2048), fill_value=1)
    ds = open_dataset(tmp_path / "m.zarr")
    with pytest.raises(DataError, match="memory is too little") as caught:
        make_batches(ds, batch_size, memory=1000)
    assert re.search(r"'[xy]'|1,?000 samples", str(caught.value))
    enough = re.search(r'memory="(\d+)MiB"', str(caught.value))
    assert enough is not None
    batches = make_batches(ds, batch_size, memory=int(enough[1]) << 20)
    assert sum(len(y) for _, y in batches.numpy()) == 1000


def test_little_memory_suffices_for_small_chunks_of_a_small_dataset(
    make_dataset: MakeDataset,
) -> None:
    batches = make_batches(make_dataset(100_000, chunks=1000), memory=1 << 20)
    given = np.concatenate([y for _, y in batches.numpy()])
    assert np.array_equal(np.sort(given), np.arange(100_000))


def test_no_samples(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "e.zarr"))
    for name in "xy":
        group.create_array(name, shape=(0, 3), chunks=(4, 3), dtype="f4")
    with pytest.raises(DataError, match="There are no samples"):
        make_batches(open_dataset(tmp_path / "e.zarr"))


def test_samples_of_no_values_are_samples(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "v.zarr"))
    group.create_array("x", shape=(10, 0), chunks=(4, 1), dtype="f4")
    group.create_array("y", data=np.arange(10))
    for x, y in make_batches(open_dataset(tmp_path / "v.zarr"), 4).numpy():
        assert x.shape == (len(y), 0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"rank": 3, "world": 3}, "rank 3 is not one of"),
        ({"rank": -1}, "rank -1"),
    ],
)
def test_numbers_out_of_their_range(
    make_dataset: MakeDataset, wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        make_batches(make_dataset(), **wrong)


@pytest.mark.parametrize("memory", ["much", "0", -1, 0])
def test_memory_that_is_no_size(make_dataset: MakeDataset, memory: Any) -> None:
    with pytest.raises(UsageError, match="memory"):
        make_dataset().batches(memory=memory)


def test_more_ranks_than_samples(make_dataset: MakeDataset) -> None:
    with pytest.raises(DataError, match="10 samples are too few for 11 ranks"):
        make_batches(make_dataset(10), world=11)
