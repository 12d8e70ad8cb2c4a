"""Memory goes round, and none is overwritten under anything that looks at it."""

from __future__ import annotations

import gc
import queue
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.stream.storing import make_batches, wait_for_no_threads

from lepton_jlab.data import Dataset, open_dataset
from lepton_jlab.data.stream import buffers as buffers_module
from lepton_jlab.data.stream.buffers import ALIGNMENT, Buffers, aligned

pytestmark = pytest.mark.usefixtures("by_chunks")
SAMPLES = 400


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the window buffers that are made."""
    sizes: list[int] = []

    def noted(nbytes: int) -> Any:
        sizes.append(nbytes)
        return aligned(nbytes)

    monkeypatch.setattr(buffers_module, "aligned", noted)
    return sizes


@pytest.fixture
def eager_gc() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(20, 2, 2)
    yield
    gc.set_threshold(*before)


LOOKS = {
    "a slice": lambda memory: memory[8:24],
    "a slice of a slice": lambda memory: memory[8:][:16][4:],
    "other values of the same bytes": lambda memory: memory.view("f4").reshape(4, -1)[1:3],
    "a transposed view": lambda memory: memory.reshape(8, -1).T[2:],
    "a memoryview": lambda memory: memoryview(memory)[3:9],
    "one in a cycle": lambda memory: _in_a_cycle(memory[1:5]),
    "an array of its interface": lambda memory: np.asarray(memory.view("i8")),
    "a capsule of DLPack": lambda memory: memory[:16].__dlpack__(),
}


def _in_a_cycle(values: Any) -> Any:
    cycle: list[Any] = [values]
    cycle.append(cycle)
    return cycle


@pytest.mark.parametrize("look", LOOKS)
def test_memory_is_given_out_again_only_when_nothing_looks_at_it(look: str) -> None:
    buffers = Buffers(64, 1)
    memory = buffers.take()
    address = memory.ctypes.data
    view = LOOKS[look](memory)
    del memory
    gc.collect()
    assert buffers.take() is None
    del view
    gc.collect()
    assert buffers.take().ctypes.data == address


def test_no_more_are_given_out_than_allowed_unless_one_is_demanded() -> None:
    buffers = Buffers(100, 2)
    held = [buffers.take(), buffers.take()]
    assert buffers.take() is None
    held.append(buffers.take(demanded=True))
    places = {memory.ctypes.data for memory in held}
    assert len(places) == 3
    assert all(place % ALIGNMENT == 0 for place in places)
    held.clear()
    again = [buffers.take(), buffers.take()]
    assert {memory.ctypes.data for memory in again} < places
    assert buffers.take() is None


def test_a_buffer_outlives_those_it_came_from() -> None:
    buffers = Buffers(8, 1)
    memory = buffers.take()
    memory[:] = 7
    del buffers
    gc.collect()
    assert memory.tolist() == [7] * 8


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_plain_loop_uses_three_buffers_for_all_epochs(
    ds: Dataset, made: list[int], shuffle: bool
) -> None:
    batches = make_batches(ds, 5, shuffle, window=50)
    for _ in range(4):
        for x, y in batches.numpy():
            assert np.array_equal(x[:, 7], y)
    assert len(list(batches.stream.order.windows(0))) == 8
    sizes = sorted(made)
    assert len(set(sizes)) == 2  # for x, and for y
    assert max(sizes.count(size) for size in set(sizes)) <= 3


def test_batches_lie_in_these_buffers(ds: Dataset) -> None:
    batches = make_batches(ds, 25, window=50)
    leases = 0
    for x, _ in list(batches.numpy())[1:]:  # the first is a copy
        assert x.ctypes.data % ALIGNMENT == 0
        leases += type(x.base.base).__name__ == "_Lease"
    assert leases == len(batches) - 1


def test_batches_of_rows_of_an_odd_size_begin_aligned_too(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "odd.zarr"))
    for name, width in (("x", 3), ("y", 1)):
        values = np.arange(1000, dtype="f4")[:, None] * np.ones(width, "f4")
        group.create_array(name, data=values, chunks=(25, width))
    batches = make_batches(open_dataset(tmp_path / "odd.zarr"), 100, window=300)
    in_place = 0
    for x, y in batches.numpy():
        assert x.ctypes.data % ALIGNMENT == y.ctypes.data % ALIGNMENT == 0
        assert np.array_equal(x[:, 2:], y)
        in_place += type(x.base.base).__name__ == "_Lease"
    assert in_place >= 6  # of ten: others are the first, or lie in two windows


def test_a_first_batch_that_is_kept_holds_no_window(ds: Dataset, made: list[int]) -> None:
    batches = make_batches(ds, 5, window=50)
    kept = []
    for _ in range(6):
        epoch = batches.numpy()
        kept.append(next(epoch))
        epoch.close()
        wait_for_no_threads()  # they hold memory until they are done with their chunk
        batches.epoch += 1
    assert len(made) <= 6


@pytest.mark.usefixtures("eager_gc")
@pytest.mark.parametrize("seed", range(3))
def test_kept_batches_stay_as_they_were(ds: Dataset, seed: int) -> None:
    rng = random.Random(seed)
    batches = make_batches(ds, rng.choice([3, 8, 25]), window=50)
    kept: list[tuple[Any, Any]] = []
    for _ in range(8):
        for x, y in batches.numpy():
            assert np.array_equal(x[:, 3], y)
            if rng.random() < 0.2:
                start = rng.randrange(len(y))
                kept.append((x[start:], y[start:].copy()))
            if rng.random() < 0.2:
                kept.append((x[:, 5], y.copy()))
            if rng.random() < 0.1:
                _in_a_cycle(x)
            if kept and rng.random() < 0.2:
                kept.pop(rng.randrange(len(kept)))
    assert len(kept) > 20
    for values, numbers in kept:
        assert np.array_equal(values.reshape(len(numbers), -1)[:, 0], numbers)


def test_batches_that_other_threads_drop_late_stay_as_they_were(ds: Dataset) -> None:
    batches = make_batches(ds, 8, window=50)
    handed: queue.Queue[Any] = queue.Queue()
    wrong: list[Any] = []

    def look() -> None:
        rng, held = random.Random(threading.get_ident()), []
        while (item := handed.get()) is not None:
            held.append(item)
            if len(held) > rng.randrange(12):
                x, y = held.pop(rng.randrange(len(held)))
                wrong.extend(() if np.array_equal(x[:, 9], y) else [y])
        wrong.extend(y for x, y in held if not np.array_equal(x[:, 9], y))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        for x, y in batches.numpy():
            handed.put((x, y.copy()))
    for _ in threads:
        handed.put(None)
    for thread in threads:
        thread.join()
    assert not wrong


def test_who_keeps_everything_still_gets_everything(ds: Dataset, made: list[int]) -> None:
    batches = make_batches(ds, 8, window=50)
    epoch = list(batches.numpy())
    assert len(made) > 6  # more than three each for x and y
    assert sorted(np.concatenate([x[:, 0] for x, _ in epoch])) == list(range(SAMPLES))
    assert all(np.array_equal(x[:, 15], y) for x, y in epoch)
