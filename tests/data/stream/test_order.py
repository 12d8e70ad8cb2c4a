"""The order of an epoch: each sample once, reproducible, ranks disjoint with equal batch counts."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from lepton_jlab.data.stream.order import Order, Window
from lepton_jlab.errors import DataError, UsageError


def make_order(samples: int, chunk: int, batch_size: int, **more: Any) -> Order:
    cuts = np.append(np.arange(0, samples, chunk), samples)
    return Order(cuts, batch_size, **more)


def positions(order: Order, epoch: int = 0) -> list[int]:
    """Return the samples of an epoch as they are given out."""
    given_out: list[int] = []
    for window in order.windows(epoch):
        assert window.first == len(given_out)
        given_out += in_order(window)
    return given_out[: order.samples]


def in_order(window: Window) -> list[int]:
    given_out = np.empty(len(window), int)
    places = np.arange(len(window)) if window.permutation is None else window.permutation
    given_out[places] = window.positions
    return given_out.tolist()


CASES = [
    (samples, chunk, world, batch_size)
    for samples, chunk, world, batch_size in itertools.product(
        [1, 7, 64, 129, 1000], [1, 10, 64], [1, 2, 3, 5], [2, 32]
    )
    if samples >= world
]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("samples", "chunk", "world", "batch_size"), CASES)
def test_ranks_cover_every_sample_once_in_equally_many_batches(
    samples: int, chunk: int, world: int, batch_size: int, shuffle: bool
) -> None:
    orders = [
        make_order(
            samples, chunk, batch_size, shuffle=shuffle, seed=3, rank=rank, world=world, window=50
        )
        for rank in range(world)
    ]
    for epoch in (0, 1):
        epochs = [positions(order, epoch) for order in orders]
        assert sorted(itertools.chain(*epochs)) == list(range(samples))
        assert [sum(o.batch_sizes) for o in orders] == [len(g) for g in epochs]
    assert len({len(order.batch_sizes) for order in orders}) == 1
    assert all(0 < size <= batch_size for order in orders for size in order.batch_sizes)


def test_without_shuffle_the_order_is_that_of_the_file() -> None:
    assert positions(make_order(100, 7, 8, window=20)) == list(range(100))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first = make_order(500, 16, 8, shuffle=True, seed=1, window=100)
    again = make_order(500, 16, 8, shuffle=True, seed=1, window=100)
    other = make_order(500, 16, 8, shuffle=True, seed=2, window=100)
    assert positions(first, 4) == positions(again, 4)
    assert positions(first, 4) != positions(first, 5)
    assert positions(first, 4) != positions(other, 4)


def test_windows_epochs_seeds_and_ranks_have_permutations_of_their_own() -> None:
    orders = [
        make_order(1000, 10, 8, shuffle=True, seed=seed, rank=rank, world=2, window=100)
        for seed in (1, 2)
        for rank in (0, 1)
    ]
    windows = [w for order in orders for epoch in (0, 1) for w in order.windows(epoch)]
    permutations = {w.permutation.tobytes() for w in windows if w.permutation is not None}
    assert len(permutations) == len(windows) == 40


def test_shuffling_mixes_samples_of_many_chunks_in_a_batch() -> None:
    order = make_order(1024, 16, 32, shuffle=True, window=512)
    epoch = positions(order)
    for batch in (epoch[i : i + 32] for i in range(0, 1024, 32)):
        assert len({position // 16 for position in batch}) >= 10


def test_a_sample_of_any_chunk_can_come_anywhere_in_its_window() -> None:
    order = make_order(512, 16, 32, shuffle=True, window=512)
    places = np.array([positions(order, epoch) for epoch in range(60)]).argsort()  # by sample
    assert places.min(axis=0).max() < 100
    assert places.max(axis=0).min() > 412


@pytest.mark.parametrize("samples", [1000, 997])
def test_ranks_read_whole_chunks_and_none_reads_that_of_another(samples: int) -> None:
    for epoch in (0, 1):
        read = []
        for rank in range(4):
            order = make_order(samples, 10, 8, shuffle=True, rank=rank, world=4, window=35)
            for window in order.windows(epoch):
                read += zip(window.starts.tolist(), window.lengths.tolist(), strict=True)
        expected = [(start, min(10, samples - start)) for start in range(0, samples, 10)]
        assert sorted(read) == expected


@pytest.mark.parametrize(
    ("samples", "chunk", "world", "cut"),
    [(90, 30, 4, True), (129, 64, 3, True), (90, 30, 3, False), (129, 64, 2, False)],
)
def test_chunks_are_cut_only_where_ranks_could_not_have_equally_many_batches(
    samples: int, chunk: int, world: int, cut: bool
) -> None:
    orders = [make_order(samples, chunk, 32, rank=rank, world=world) for rank in range(world)]
    assert sorted(itertools.chain(*map(positions, orders))) == list(range(samples))
    starts = [window.starts for order in orders for window in order.windows(0)]
    assert (np.concatenate(starts) % chunk).any() == cut


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=40),
    batch_size=st.integers(1, 20),
    shuffle=st.booleans(),
    window=st.integers(1, 200),
    world=st.integers(1, 5),
    drop_remainder=st.booleans(),
    epoch=st.integers(0, 5),
)
def test_whatever_the_units_no_sample_comes_twice_and_ranks_have_equally_many_batches(
    lengths: list[int], epoch: int, **options: Any
) -> None:
    cuts = np.append(0, np.cumsum(lengths))
    world = options["world"]
    try:
        orders = [Order(cuts, rank=rank, **options) for rank in range(world)]
    except DataError:
        reject()  # too few samples for so many ranks or such batches
    given_out = list(itertools.chain(*(positions(order, epoch) for order in orders)))
    assert len(set(given_out)) == len(given_out) == sum(order.samples for order in orders)
    assert options["drop_remainder"] or len(given_out) == sum(lengths)
    assert len({len(order.batch_sizes) for order in orders}) == 1
    sizes = np.concatenate([order.batch_sizes for order in orders])
    assert sizes.min() > 0
    assert sizes.max() <= options["batch_size"]
    assert not options["drop_remainder"] or sizes.min() == options["batch_size"]
    for order in orders:
        windows = list(order.windows(epoch))
        longest = np.diff(order._edges).max()
        assert max(map(len, windows)) <= max(options["window"], longest)
        for passed in {0, order.samples // 2, order.samples - 1}:
            rest = list(order.windows(epoch, passed))
            left = [w for w in windows if w.first + len(w) > passed]
            assert [(w.first, in_order(w)) for w in rest] == [(w.first, in_order(w)) for w in left]


def test_dropping_the_remainder_leaves_full_batches_only() -> None:
    order = make_order(103, 10, 8, drop_remainder=True, rank=1, world=2)
    assert order.batch_sizes.tolist() == [8] * 6


def test_a_rank_with_fewer_samples_has_smaller_batches_not_fewer() -> None:
    orders = [make_order(150, 50, 10, rank=rank, world=2) for rank in range(2)]
    assert sorted(order.batch_sizes.tolist() for order in orders) == [[5] * 10, [10] * 10]


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"batch_size": 0}, UsageError, "batch_size is 0"),
        ({"seed": -1}, UsageError, "seed is -1"),
        ({"rank": 2, "world": 2}, UsageError, "rank 2"),
        ({"world": 20}, DataError, "10 samples are too few for 20 ranks"),
        ({"batch_size": 11, "drop_remainder": True}, DataError, "smaller batch_size"),
        ({"batch_size": 1, "world": 3}, DataError, "drop_remainder=True"),
    ],
)
def test_impossible_requests_say_what_to_change(
    more: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make_order(**({"samples": 10, "chunk": 5, "batch_size": 4} | more))
