"""The order of an epoch: each sample once, reproducible, ranks disjoint with equal batch counts."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from lepton_jlab.data.order import Order
from lepton_jlab.errors import DataError, UsageError


def make_order(samples: int, chunk: int, batch_size: int, **more: Any) -> Order:
    cuts = np.append(np.arange(0, samples, chunk), samples)
    return Order(cuts, batch_size, **more)


def positions(order: Order, epoch: int = 0) -> list[int]:
    given: list[int] = []
    for window in order.windows(epoch):
        held = np.concatenate([np.arange(a, b) for a, b in window.ranges])
        given += (held if window.permutation is None else held[window.permutation]).tolist()
    return given


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
        given = [positions(order, epoch) for order in orders]
        assert sorted(itertools.chain(*given)) == list(range(samples))
        assert [sum(o.batch_sizes) for o in orders] == [len(g) for g in given]
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


def test_shuffling_mixes_samples_of_many_chunks_in_a_batch() -> None:
    order = make_order(1024, 16, 32, shuffle=True, window=512)
    given = positions(order)
    for batch in (given[i : i + 32] for i in range(0, 1024, 32)):
        assert len({position // 16 for position in batch}) >= 10


def test_no_rank_reads_a_chunk_twice_but_at_its_borders() -> None:
    for rank in range(4):
        order = make_order(1000, 10, 8, shuffle=True, rank=rank, world=4, window=35)
        pieces = list(order._pieces(0))
        whole = [piece for piece in pieces if piece[1] - piece[0] == 10]
        assert len(pieces) - len(whole) <= 2


def test_dropping_the_remainder_leaves_full_batches_only() -> None:
    order = make_order(103, 10, 8, drop_remainder=True, rank=1, world=2)
    assert order.batch_sizes == [8] * 6


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
        make_order(10, 5, **({"batch_size": 4} | more))
