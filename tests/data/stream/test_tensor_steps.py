"""Mapped, taken, repeated and mixed batches as tensors, for Keras and for tf.data."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.stream.storing import RECORD, wait_for_no_threads

import lepton_jlab as lepton
from lepton_jlab.data import Dataset, open_dataset
from lepton_jlab.errors import DataError, UsageError

MakeDataset = Callable[..., Dataset]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.integration  # the import alone takes seconds


def numbers(epoch: Any) -> list[list[int]]:
    return [np.asarray(y).astype(int).tolist() for _, y in epoch]


@pytest.fixture
def ds(make_dataset: MakeDataset) -> Dataset:
    return make_dataset()


def half(x: Any, y: Any) -> Any:
    return tf.cast(x, "float64") / 2, tf.cast(y, "int64")


def test_a_function_gets_tensors_and_its_results_are_tensors(ds: Dataset) -> None:
    plain = numbers(ds.batches(32, shuffle=True))
    mapped = ds.batches(32, shuffle=True).map(half)
    for (x, y), expected in zip(mapped, plain, strict=True):
        assert (x.dtype, y.dtype) == (tf.float64, tf.int64)
        assert y.numpy().tolist() == expected
        assert np.array_equal(2 * x[:, 0], y)


def test_a_function_may_ask_for_numpy_arrays(ds: Dataset) -> None:
    seen: list[type] = []

    def note(x: Any, y: Any) -> Any:
        seen.extend((type(x), type(y)))
        return {"x": x + 1, "pair": (y, y)}

    for batch in ds.batches(32).map(note, numpy=True):
        assert isinstance(batch["x"], tf.Tensor)
        assert np.array_equal(batch["x"][:, 0] - 1, tf.cast(batch["pair"][0], "float32"))
    assert set(seen) == {np.ndarray}


def test_a_compiled_function_and_its_error_come_through(ds: Dataset) -> None:
    @tf.function
    def checked(x: Any, y: Any) -> Any:
        tf.debugging.assert_less(y, 100, "too large")
        return x, y

    with pytest.raises(tf.errors.InvalidArgumentError, match="too large"):
        list(ds.batches(32).map(checked))
    wait_for_no_threads()


def test_numpy_of_mapped_tensors_are_arrays(ds: Dataset) -> None:
    for x, y in ds.batches(32).map(half).numpy():
        assert isinstance(x, np.ndarray)
        assert np.array_equal(2 * x[:, 1], y)


MADE = {
    "plain": lambda ds: ds.batches(32, shuffle=True),
    "mapped": lambda ds: ds.batches(32, shuffle=True).map(half),
    "taken": lambda ds: ds.batches(32, shuffle=True).take(3),
    "repeated": lambda ds: ds.batches(32, shuffle=True).repeat(2),
    "endless, taken": lambda ds: ds.batches(32, shuffle=True).repeat().take(7),
    "mixed": lambda ds: lepton.mix(
        [ds.batches(32, shuffle=True), ds.batches(16, seed=1).repeat()], [0.7, 0.3]
    ),
}


@pytest.mark.parametrize("how", MADE)
def test_to_tf_gives_the_same_epochs(ds: Dataset, how: str) -> None:
    batches = MADE[how](ds)
    expected = [numbers(batches) for _ in range(2)]
    data = MADE[how](ds).to_tf()
    assert isinstance(data, tf.data.Dataset)
    assert len(data) == len(batches) == len(expected[0])
    assert [numbers(data) for _ in range(2)] == expected
    del data
    wait_for_no_threads()


def test_to_tf_of_endless_batches_has_no_end(ds: Dataset) -> None:
    data = ds.batches(32).repeat().to_tf()
    assert data.cardinality() == tf.data.INFINITE_CARDINALITY
    assert len(numbers(data.take(12))) == 12


@pytest.mark.parametrize("how", MADE)
def test_they_travel_with_their_position(ds: Dataset, how: str) -> None:
    batches = MADE[how](ds)
    list(batches)
    travelled = pickle.loads(pickle.dumps(batches))
    assert travelled.epoch == 1
    assert numbers(travelled) == numbers(batches)
    first = iter(batches)
    start = [next(first)]
    state = batches.state_dict()
    resumed = pickle.loads(pickle.dumps(MADE[how](ds)))
    resumed.load_state_dict(state)
    assert numbers(start) + numbers(resumed) == numbers(start) + numbers(first)


def test_fit_takes_all_of_them(ds: Dataset) -> None:
    import keras

    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    net.compile(loss="mse", optimizer=keras.optimizers.SGD(0.0))
    for make in MADE.values():
        net.fit(make(ds), validation_data=make(ds), epochs=2, verbose=0)
        net.evaluate(make(ds), verbose=0)
    endless = ds.batches(32).repeat()
    net.fit(endless, steps_per_epoch=3, epochs=4, verbose=0)
    assert endless.state_dict()["batch"] >= 12
    with pytest.raises(TypeError, match="have no end"):
        len(endless)
    del endless
    wait_for_no_threads()


def test_mix_takes_weights_of_any_kind_and_refuses_what_cannot_be(ds: Dataset) -> None:
    first, second = ds.batches(10), ds.batches(20)
    mixed = lepton.mix([first, second], np.array([3, 1]), seed=2)
    assert (mixed.batch_size, len(mixed), mixed.window) == (10, 20, None)
    assert len(lepton.mix([first, second], batch_size=30)) == 10
    for wrong in ({"weights": [1.0]}, {"weights": [1, -1]}, {"batch_size": 0}, {"batch_size": -1}):
        with pytest.raises(UsageError):
            lepton.mix([first, second], **wrong)
    with pytest.raises(UsageError, match="two streams"):
        lepton.mix([])
    with pytest.raises(DataError, match="do not fit together"):
        list(lepton.mix([first, second.map(half)]))
    wait_for_no_threads()


@pytest.mark.parametrize("dtype", [RECORD, "V3", "M8[s]", "m8[ms]"], ids=str)
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_values_that_tensorflow_has_no_type_for_are_refused_by_name(
    tmp_path: Path, dtype: Any
) -> None:
    group = zarr.create_group(str(tmp_path / "t.zarr"))
    group.create_array("x", data=np.zeros(10))
    group.create_array("y", shape=(10,), dtype=dtype)
    for use in (iter, lambda batches: batches.to_tf()):
        with pytest.raises(DataError, match="TensorFlow has no type for the array 'y'"):
            next(iter(use(open_dataset(tmp_path / "t.zarr").batches(4))))


def test_leaving_early_leaves_no_thread(ds: Dataset) -> None:
    for make in MADE.values():
        for _ in make(ds):
            break
        with pytest.raises(KeyboardInterrupt):
            for _ in make(ds).to_tf():
                raise KeyboardInterrupt
    wait_for_no_threads()
