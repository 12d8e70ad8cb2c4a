"""How well samples are mixed: class balance within batches, of labels that are stored sorted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from data.stream.storing import make_batches

from lepton_jlab.data import Dataset, open_dataset

pytestmark = pytest.mark.usefixtures("by_chunks")
CLASSES, EACH, BATCH, EPOCHS = 10, 1000, 100, 12
SAMPLES = CLASSES * EACH


@pytest.fixture(scope="module")
def sorted_by_class(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ten classes of 1,000 samples, one class after the other, 50 to a chunk."""
    folder = tmp_path_factory.mktemp("sorted") / "d.zarr"
    group = zarr.create_group(str(folder))
    group.create_array("x", data=np.arange(SAMPLES, dtype="i4"), chunks=(50,), shards=(1000,))
    labels = np.repeat(np.arange(CLASSES), EACH).astype("u1")
    group.create_array("y", data=labels, chunks=(50,), shards=(1000,))
    return open_dataset(folder)


def deviation(labels: Any) -> float:
    """Return the mean absolute deviation of the count of a class in a batch from a tenth of it."""
    batches = labels.reshape(-1, BATCH)
    counts = np.stack([(batches == number).sum(axis=1) for number in range(CLASSES)])
    return float(np.abs(counts - BATCH / CLASSES).mean())


@pytest.fixture(scope="module")
def full_shuffles() -> Any:
    """Deviations of 200 full shuffles: 2.36 of 10 on average."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), EACH)
    return np.array([deviation(rng.permutation(labels)) for _ in range(200)])


def measured(ds: Dataset, window: int, seed: int = 0) -> Any:
    batches = make_batches(ds, BATCH, window=window, seed=seed)
    assert batches.window is not None
    assert window <= batches.window <= window + 50
    return np.array(
        [deviation(np.concatenate([y for _, y in batches.numpy()])) for _ in range(EPOCHS)]
    )


def test_with_all_data_in_a_window_it_is_a_full_shuffle(
    sorted_by_class: Dataset, full_shuffles: Any
) -> None:
    own = measured(sorted_by_class, SAMPLES)
    error = full_shuffles.std() * np.sqrt(1 / EPOCHS + 1 / len(full_shuffles))
    assert abs(own.mean() - full_shuffles.mean()) < 3 * error
    assert own.std() < 2 * full_shuffles.std()


@pytest.mark.parametrize(
    ("share", "stated"),
    [(1, 1.00), (4, 1.51), (10, 2.30)],
    ids=[
        "all data: as a full shuffle",
        "a quarter: deviations 1.5 times those of a full shuffle",
        "a tenth: 2.3 times",
    ],
)
def test_smaller_windows_mix_as_well_as_is_stated(
    sorted_by_class: Dataset, full_shuffles: Any, share: int, stated: float
) -> None:
    ratio = measured(sorted_by_class, SAMPLES // share).mean() / full_shuffles.mean()
    assert ratio == pytest.approx(stated, rel=0.05)


def test_neighbours_in_the_file_are_not_neighbours_in_an_epoch(sorted_by_class: Dataset) -> None:
    for window in (SAMPLES, SAMPLES // 10):
        x = np.concatenate(
            [x for x, _ in make_batches(sorted_by_class, 100, window=window).numpy()]
        )
        expected = 2 * 50 / window  # how often the next one is of the same chunk, about
        same_chunk = (x[1:] // 50 == x[:-1] // 50).mean()
        assert same_chunk < expected
        assert (np.abs(np.diff(x)) == 1).mean() < 0.005


def test_without_shuffling_a_batch_has_one_class(sorted_by_class: Dataset) -> None:
    for _, y in make_batches(sorted_by_class, BATCH, shuffle=False, window=2000).numpy():
        assert len(set(y.tolist())) == 1
