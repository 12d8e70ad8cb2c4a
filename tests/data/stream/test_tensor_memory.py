"""Tensors use the memory of the windows, and it stays theirs as long as they are there."""

from __future__ import annotations

import gc
import os
import queue
import random
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.stream.storing import memory_for

from lepton_jlab.data import Dataset, open_dataset
from lepton_jlab.data.stream import buffers as buffers_module
from lepton_jlab.data.stream.buffers import ALIGNMENT, aligned

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow")
pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("by_chunks")]
SAMPLES = 400


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Address and size of the window buffers that are made."""
    places: list[tuple[int, int]] = []

    def noted(nbytes: int) -> Any:
        memory = aligned(nbytes)
        places.append((memory.ctypes.data, nbytes))
        return memory

    monkeypatch.setattr(buffers_module, "aligned", noted)
    return places


def tensors_of(ds: Dataset, batch_size: int) -> Any:
    return ds.batches(batch_size, shuffle=True, memory=memory_for(ds, batch_size, 50))


def view(tensor: Any) -> Any:
    """Return the memory of a tensor; ``tensor.numpy()`` is a copy."""
    return np.asarray(memoryview(tensor))


KEEP = {
    "the tensor": lambda _, x: x,
    "an identity": lambda tf, x: tf.identity(x),
    "a variable": lambda tf, x: tf.Variable(x),
    "a slice": lambda _, x: x[1:],
    "a reshaped one": lambda tf, x: tf.reshape(x, (-1, 4, 4)),
    "what a graph returns": lambda tf, x: tf.function(tf.identity)(x),
    "a NumPy view of it": lambda _, x: view(x),
    "its DLPack capsule": lambda tf, x: tf.experimental.dlpack.to_dlpack(x),
    "one in a cycle": lambda _, x: _in_a_cycle(x),
}


def _in_a_cycle(values: Any) -> Any:
    cycle: list[Any] = [values]
    cycle.append(cycle)
    return cycle


def _values(tf: Any, kept: Any) -> Any:
    if isinstance(kept, list):
        kept = kept[0]
    if not hasattr(kept, "shape"):
        kept = tf.experimental.dlpack.from_dlpack(kept)
    return np.asarray(kept)


@pytest.mark.parametrize("way", KEEP)
def test_what_is_kept_stays_as_it_was_over_many_windows(ds: Dataset, way: str) -> None:
    import tensorflow as tf

    rng = random.Random(way)
    batches = tensors_of(ds, 8)
    kept = []
    for _ in range(6):
        for x, y in batches:
            if rng.random() < 0.2:
                kept.append((KEEP[way](tf, x), y.numpy().copy()))
            if kept and rng.random() < 0.1:
                kept.pop(rng.randrange(len(kept)))
        gc.collect()
    assert len(kept) > 10
    for value, numbers in kept:
        values = _values(tf, value).reshape(-1, 16)
        assert np.array_equal(values, np.repeat(numbers[-len(values) :, None], 16, axis=1))


def test_variables_that_are_changed_in_place_change_nothing_else(ds: Dataset) -> None:
    import tensorflow as tf

    epoch = [(tf.Variable(x), x, y) for x, y in tensors_of(ds, 8)]
    for variable, _, _ in epoch:
        variable.assign_add(tf.ones_like(variable))
    for variable, x, y in epoch:
        assert np.array_equal(x[:, 3], y)
        assert np.array_equal(variable[:, 3], y + 1)


def test_tensors_that_other_threads_drop_late_stay_as_they_were(ds: Dataset) -> None:
    handed: queue.Queue[Any] = queue.Queue()
    wrong: list[Any] = []

    def look() -> None:
        rng, held = random.Random(7), []
        while (item := handed.get()) is not None:
            held.append(item)
            if len(held) > 12:
                x, y = held.pop(rng.randrange(len(held)))
                wrong.extend(() if np.array_equal(x.numpy()[:, 9], y) else [y])

    thread = threading.Thread(target=look)
    thread.start()
    batches = tensors_of(ds, 8)
    for _ in range(6):
        for x, y in batches:
            handed.put((x, y.numpy()))
    handed.put(None)
    thread.join()
    assert not wrong


def test_a_plain_loop_uses_three_buffers_for_all_epochs(
    ds: Dataset, made: list[tuple[int, int]]
) -> None:
    batches = tensors_of(ds, 5)
    for _ in range(4):
        for x, y in batches:
            assert np.array_equal(x[:, 7], y)
    sizes = [size for _, size in made]
    assert len(set(sizes)) == 2  # for x, and for y
    assert max(sizes.count(size) for size in set(sizes)) <= 3


def test_whole_batches_of_aligned_rows_are_not_copied(
    ds: Dataset, made: list[tuple[int, int]]
) -> None:
    _, *rest = (x for x, _ in tensors_of(ds, 25))
    places = [view(x).ctypes.data for x in rest]
    assert all(any(a <= place < a + n for a, n in made) for place in places)


ODD = """
    import sys
    import numpy as np, tensorflow as tf, zarr
    from lepton_jlab.data import open_dataset
    from lepton_jlab.data.stream import memory, stored

    memory.SMALL = stored.SMALL = 0
    kept, shared = [], 0
    for dtype, width in [("u1", 7), ("f4", 3), ("u1", 1), ("f8", 5), ("f2", 33), ("c8", 9)]:
        folder = f"{sys.argv[1]}/{dtype}{width}.zarr"
        values = np.repeat(np.arange(240)[:, None], width, axis=1).astype(dtype)
        zarr.create_group(folder).create_array("x", data=values, chunks=(20, width))
        for size in (1, 7, 33, 100):
            for shuffle in (True, False):
                for x in open_dataset(folder).batches(size, shuffle, memory="1MiB"):
                    assert np.asarray(memoryview(x)).ctypes.data % 64 == 0
                    numbers = x.numpy()[:, 0]
                    total = tf.reduce_sum(tf.cast(tf.reshape(x, (-1,)), "complex64"))
                    assert abs(total.numpy() - width * numbers.astype("c8").sum()) < 1
                    tf.add(x, x)
                    kept.append((x, numbers.copy()))
    assert all(np.array_equal(x.numpy()[:, -1], numbers) for x, numbers in kept)
    print("done", len(kept))
"""


def test_rows_and_batches_of_odd_sizes_and_tensors_left_at_exit_do_not_end_the_process(
    tmp_path: Path,
) -> None:
    code = textwrap.dedent(ODD)
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert process.returncode == 0, process.stderr[-2000:]
    assert process.stdout.startswith("done")


@pytest.mark.parametrize("dtype", ["b1", "i1", "u2", "u4", "u8", "f2", "f8", "c8", "c16", ">f4"])
def test_every_numeric_type_becomes_the_same_tensor(tmp_path: Path, dtype: str) -> None:
    folder = tmp_path / "d.zarr"
    values = (np.arange(64 * 64).reshape(64, 64) % 101).astype(dtype)
    group = zarr.create_group(str(folder), zarr_format=2)
    group.create_array("x", shape=values.shape, dtype=dtype, chunks=(8, 64))[:] = values
    for batch in (next(iter(open_dataset(folder).batches(8))), *open_dataset(folder).batches(64)):
        assert batch.dtype.as_numpy_dtype == np.dtype(dtype).newbyteorder("=")
        assert np.array_equal(batch.numpy(), values[: len(batch)])
        assert view(batch).ctypes.data % ALIGNMENT == 0


@pytest.mark.parametrize("dtype", [">f4", ">i8"])
def test_arrays_of_another_byte_order_that_are_kept_whole_become_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    from lepton_jlab.data.stream import memory, stored

    for module in (memory, stored):
        monkeypatch.setattr(module, "SMALL", 1 << 20)
    group = zarr.create_group(str(tmp_path / "b.zarr"), zarr_format=2)
    group.create_array("x", shape=(50,), dtype=dtype, chunks=(8,))[:] = np.arange(50)
    (batch,) = open_dataset(tmp_path / "b.zarr").batches(50)
    assert batch.numpy().tolist() == list(range(50))
