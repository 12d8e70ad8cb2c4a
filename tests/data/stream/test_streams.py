"""Whatever the storage, batch size, window and world: once each, aligned, the same again."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from data.stream.storing import (
    Way,
    as_bytes,
    make_batches,
    numbers_in,
    recorded_reads,
    stored_datasets,
    wait_for_no_threads,
    write_dataset,
)
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lepton_jlab.data import Dataset
from lepton_jlab.data.stream.batches import Batches
from lepton_jlab.errors import DataError

pytestmark = [
    pytest.mark.usefixtures("by_chunks"),
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
]
thorough = settings(
    derandomize=True, deadline=None, max_examples=25, suppress_health_check=list(HealthCheck)
)


@dataclass(frozen=True)
class Plan:
    """How batches are made."""

    batch_size: int
    shuffle: bool
    seed: int
    window: int
    world: int
    drop_remainder: bool
    share: float | None

    def of(self, ds: Dataset) -> Dataset:
        return ds if self.share is None else ds.split(self.share, seed=self.seed)[0]

    def ranks(self, ds: Dataset) -> list[Batches]:
        """Return the batches of each rank; those of impossible plans are no examples."""
        options = {"seed": self.seed, "world": self.world, "drop_remainder": self.drop_remainder}
        size, order = self.batch_size, self.shuffle
        try:
            return [
                make_batches(ds, size, order, self.window, rank=rank, **options)
                for rank in range(self.world)
            ]
        except DataError:
            assume(False)
            raise


plans = st.builds(
    Plan,
    batch_size=st.integers(1, 25),
    shuffle=st.booleans(),
    seed=st.integers(0, 3),
    window=st.integers(1, 70),
    world=st.sampled_from([1, 1, 1, 2, 3]),
    drop_remainder=st.booleans(),
    share=st.sampled_from([None, None, 0.3, 0.7]),
)


@contextmanager
def written(stored: tuple[Way, Way, Way | None]) -> Iterator[tuple[Dataset, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        yield write_dataset(folder + "/d.zarr", stored)


def epoch_of(batches: Batches) -> list[Any]:
    """Return the next epoch, each array as one that equals others of the same bytes."""
    return [tuple(map(as_bytes, batch)) for batch in batches.numpy()]


@thorough
@given(stored=stored_datasets(), plan=plans)
def test_each_sample_comes_once_an_epoch_as_zarr_python_reads_it_with_what_belongs_to_it(
    stored: tuple[Way, Way, Way | None], plan: Plan
) -> None:
    with written(stored) as (whole, expected):
        ds = plan.of(whole)
        assume(len(ds))
        ranks = plan.ranks(ds)
        assert len({len(rank) for rank in ranks}) == 1
        for _ in range(2):
            given_out = []
            for rank in ranks:
                epoch = list(rank.numpy())
                sizes = [len(y) for _, y, *_ in epoch]
                assert sizes == list(rank.stream.sizes(0))
                assert len(sizes) == len(rank)
                assert max(sizes) <= plan.batch_size
                for x, y, *weight in epoch:
                    assert as_bytes(x) == as_bytes(expected[numbers_in(y)])
                    assert [numbers_in(w).tolist() for w in weight] == [
                        numbers_in(y).tolist() for w in weight
                    ]
                    given_out += numbers_in(y).tolist()
            wanted = numbers_in(ds.y[:]).tolist()
            assert max(Counter(given_out).values()) == 1
            assert set(given_out) <= set(wanted)
            if not plan.drop_remainder:
                assert len(given_out) == len(wanted)
            if not plan.shuffle and plan.world == 1:
                assert given_out == wanted[: len(given_out)]


@thorough
@given(stored=stored_datasets(), plan=plans)
def test_chunks_that_are_not_cut_by_the_order_are_decoded_once_by_all_ranks_together(
    stored: tuple[Way, Way, Way | None], plan: Plan
) -> None:
    with written(stored) as (whole, _):
        ds = plan.of(whole)
        assume(len(ds))
        ranks = plan.ranks(ds)
        columns = ranks[0].stream.columns
        order = ranks[0].stream.order
        with recorded_reads() as reads:
            for rank in ranks:
                list(rank.numpy())
        assert reads
        assume(len(order.cuts) == len(order._edges))  # else a chunk has to be shared by ranks
        times = Counter(reads)
        for name, column in columns.items():
            length = column.zarr.chunks[0]
            units = [
                set((column.rows(np.arange(a, b)) // length).tolist())
                for a, b in zip(order.cuts[:-1], order.cuts[1:], strict=True)
            ]
            if sum(map(len, units)) == len(set().union(*units)):
                assert all(n == 1 for (of, _), n in times.items() if of == name)
        leader = max(columns, key=lambda name: columns[name].nbytes)
        assert all(n == 1 for (of, _), n in times.items() if of == leader)


@thorough
@given(stored=stored_datasets(), plan=plans)
def test_the_order_is_a_function_of_seed_and_epoch(
    stored: tuple[Way, Way, Way | None], plan: Plan
) -> None:
    with written(stored) as (whole, _):
        ds = plan.of(whole)
        assume(len(ds))
        first, again = plan.ranks(ds)[-1], plan.ranks(ds)[-1]
        epochs = [epoch_of(first) for _ in range(2)]
        again.epoch = 1
        assert epoch_of(again) == epochs[1]
        again.epoch = 0
        assert epoch_of(again) == epochs[0]
        if not plan.shuffle:
            assert epochs[0] == epochs[1]


@thorough
@given(stored=stored_datasets(), plan=plans, data=st.data())
def test_an_epoch_goes_on_at_any_batch(
    stored: tuple[Way, Way, Way | None], plan: Plan, data: st.DataObject
) -> None:
    with written(stored) as (whole, _):
        ds = plan.of(whole)
        assume(len(ds))
        epoch = data.draw(st.integers(0, 2))
        first, again = plan.ranks(ds)[-1], plan.ranks(ds)[-1]
        first.epoch = epoch
        with recorded_reads() as all_reads:
            full = epoch_of(first)
        again.epoch = epoch
        passed = data.draw(st.integers(0, len(full) - 1))
        began = again.numpy()
        given = [tuple(map(as_bytes, next(began))) for _ in range(passed)]
        state = json.loads(json.dumps(again.state_dict()))
        began.close()
        wait_for_no_threads()
        fresh = plan.ranks(ds)[-1]
        fresh.load_state_dict(state)
        with recorded_reads() as reads:
            assert given + epoch_of(fresh) == full
        assert fresh.epoch == epoch + 1
        if epoch == 0:  # later ones read the beginning of the next
            assert not Counter(reads) - Counter(all_reads)
