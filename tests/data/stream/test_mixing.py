"""Several streams as one: in their proportions, each sample once, until one of them ends."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.stream.storing import make_batches, wait_for_no_threads
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lepton_jlab.data import Dataset, open_dataset
from lepton_jlab.data.stream.batches import Batches
from lepton_jlab.data.stream.steps import Mixed
from lepton_jlab.errors import DataError, UsageError

MakeDataset = Callable[..., Dataset]


def mixed(streams: list[Batches], weights: Any, batch_size: int = 10, seed: int = 0) -> Batches:
    """Mix as ``lepton.mix`` does, without TensorFlow."""
    return Batches(Mixed([b.stream for b in streams], tuple(weights), seed, batch_size))


class Numbered:
    """A stream of numbers from `first` on, in batches of the given sizes."""

    def __init__(self, first: int, sizes: list[int]) -> None:
        self.first, self._sizes = first, sizes
        self.batch_size, self.count = max(sizes), len(sizes)

    def sizes(self, _epoch: int) -> Any:
        return iter(self._sizes)

    def draw(self, _epoch: int, skip: int, _meter: Any) -> Any:
        ends = np.cumsum([0, *self._sizes])
        for start, end in itertools.pairwise(ends[skip:].tolist()):
            yield np.arange(self.first + start, self.first + end)


@pytest.fixture
def streams(make_dataset: MakeDataset) -> list[Batches]:
    """150 samples from 0, and 90 from 1000."""
    low = make_batches(make_dataset(), 32)
    high = make_batches(make_dataset(90, name="high.zarr"), 16, seed=1)
    return [low, high.map(shift)]


def shift(x: Any, y: Any) -> Any:
    return x + 1000, y + 1000


def numbers(epoch: Any) -> list[list[int]]:
    return [y.astype(int).tolist() for _, y in epoch]


def flat(batches: list[list[int]]) -> list[int]:
    return [number for batch in batches for number in batch]


def test_batches_have_samples_of_all_in_proportion_each_once(streams: list[Batches]) -> None:
    batches = mixed(streams, [0.75, 0.25])
    for _ in range(2):
        epoch = numbers(batches.numpy())
        assert len(epoch) == len(batches) == 20  # 150 of the first, at 7.5 a batch
        assert [len(batch) for batch in epoch] == [10] * 20
        low = [sum(number < 1000 for number in batch) for batch in epoch]
        assert set(low) == {7, 8}
        assert sum(low) == 150
        assert len(set(flat(epoch))) == 200
    wait_for_no_threads()


def test_x_and_y_stay_together_and_the_samples_are_blended(streams: list[Batches]) -> None:
    first = mixed(streams, [1, 1])
    for x, y in first.numpy():
        assert np.array_equal(x[:, 2], y)
    origins = np.array([np.array(batch) < 1000 for batch in numbers(first.numpy())])
    assert 0 < origins[:, 0].sum() < len(origins)  # not the samples of the first always before


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    weights=st.lists(st.integers(1, 20), min_size=2, max_size=4),
    sizes=st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=8), min_size=4, max_size=4),
    batch_size=st.integers(1, 15),
)
def test_the_proportions_hold_over_time_until_the_first_stream_ends(
    weights: list[int], sizes: list[list[int]], batch_size: int
) -> None:
    numbered = [Numbered(1000 * i, own) for i, own in enumerate(sizes[: len(weights)])]
    try:
        stream = Mixed(numbered, weights, 0, batch_size)
    except DataError:
        assume(False)
    epoch = list(stream.draw(0, 0, None))
    assert len(epoch) == stream.count
    assert all(len(batch) == batch_size for batch in epoch)
    origins = np.array([np.bincount(b // 1000, minlength=len(weights)) for b in epoch])
    wanted = np.outer(np.arange(1, len(epoch) + 1), np.array(weights) / sum(weights) * batch_size)
    assert np.abs(np.cumsum(origins, axis=0) - wanted).max() <= len(weights)
    for i, own in enumerate(sizes[: len(weights)]):
        used = sorted(int(n) for batch in epoch for n in batch if n // 1000 == i)
        assert used == list(range(1000 * i, 1000 * i + len(used)))  # in their order, once each
        assert len(used) <= sum(own)
    left = [sum(own) - n for own, n in zip(sizes, origins.sum(axis=0), strict=False)]
    assert min(left) < max(w / sum(weights) for w in weights) * batch_size + len(weights)
    for skip in range(len(epoch)):
        again = stream.draw(0, skip, None)
        assert np.array_equal(next(again), epoch[skip])


@pytest.mark.parametrize("how", ["plain", "repeated", "mixed again", "mapped"])
def test_a_mix_goes_on_at_any_batch(streams: list[Batches], how: str) -> None:
    def make() -> Batches:
        low, high = streams
        if how == "repeated":
            return mixed([low, high.repeat()], [0.6, 0.4])
        if how == "mixed again":
            return mixed([mixed([low, high], [1, 1]), high.repeat()], [2, 1])
        made = mixed([low, high], [0.6, 0.4])
        return made.map(shift) if how == "mapped" else made

    first = make()
    first.epoch = 1
    full = numbers(first.numpy())
    for passed in range(0, len(full), 3):
        again = make()
        again.epoch = 1
        epoch = again.numpy()
        for _ in range(passed):
            next(epoch)
        fresh = make()
        fresh.load_state_dict(json.loads(json.dumps(again.state_dict())))
        assert numbers(fresh.numpy()) == full[passed:]


def test_a_small_stream_that_is_repeated_lasts_as_long_as_the_other(
    streams: list[Batches],
) -> None:
    low, high = streams
    batches = mixed([low, high.repeat()], [1, 1])
    epoch = flat(numbers(batches.numpy()))
    assert sorted(n for n in epoch if n < 1000) == list(range(150))
    times = np.bincount([n - 1000 for n in epoch if n >= 1000], minlength=90)
    assert (times.min(), times.max()) == (1, 2)


def test_epochs_of_a_mix_go_on_with_other_samples_of_an_endless_stream(
    make_dataset: MakeDataset,
) -> None:
    few = make_batches(make_dataset(20), 10)
    many = make_batches(make_dataset(2000, name="many.zarr"), 10).map(shift)
    batches = mixed([few, many.repeat()], [1, 1])
    epochs = [{n for n in flat(numbers(batches.numpy())) if n >= 1000} for _ in range(4)]
    assert [len(epoch) for epoch in epochs] == [20] * 4
    assert len(set.union(*epochs)) > 60


def test_endless_streams_make_an_endless_mix(streams: list[Batches]) -> None:
    batches = mixed([one.repeat() for one in streams], [1, 1])
    with pytest.raises(TypeError, match="have no end"):
        len(batches)
    assert len(numbers(batches.take(50).numpy())) == 50


def test_streams_that_do_not_fit_together_are_refused(
    streams: list[Batches], tmp_path: Path
) -> None:
    group = zarr.create_group(str(tmp_path / "w.zarr"))
    group.create_array("x", data=np.zeros((90, 3), "f8"))
    group.create_array("y", data=np.zeros(90, "i4"))
    low = streams[0]
    others = {
        "dtype": make_batches(open_dataset(tmp_path / "w.zarr")),
        "shape": low.map(lambda x, y: (x[:, :2], y)),
        "fewer arrays": low.map(lambda x, _: (x,)),
        "no tuple": low.map(lambda x, _: x),
        "a dict": low.map(lambda x, y: {"x": x, "y": y}),
    }
    for name, other in others.items():
        for pair in ([low, other], [other, low]):
            with pytest.raises(DataError, match="given to mix do not fit together"):
                list(mixed(pair, [1, 1]).numpy())
                pytest.fail(f"{name} was taken")
    wait_for_no_threads()


def test_weights_and_sizes_that_cannot_be_are_refused(streams: list[Batches]) -> None:
    for weights in ([1], [1, 0], [1, -1], [1, float("nan")], [1, 2, 3]):
        with pytest.raises(UsageError, match="one positive weight for each"):
            mixed(streams, weights)
    with pytest.raises(UsageError, match="two streams"):
        mixed(streams[:1], [1])
    with pytest.raises(UsageError, match="batch_size is 0"):
        mixed(streams, [1, 1], batch_size=0)
    with pytest.raises(DataError, match="No batch of 400 can be mixed"):
        mixed(streams, [1, 1], batch_size=400)


def test_positions_of_other_mixes_are_refused(streams: list[Batches]) -> None:
    state = mixed(streams, [1, 1]).state_dict()
    for other in (
        mixed(streams, [1, 2]),
        mixed(streams[::-1], [1, 1]),
        mixed(streams, [1, 1], seed=1),
        mixed(streams, [1, 1], batch_size=5),
        streams[0],
    ):
        with pytest.raises(UsageError, match="belongs to other batches"):
            other.load_state_dict(state)
