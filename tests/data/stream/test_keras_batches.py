"""Keras and TensorFlow take the batches, in our order, each sample once an epoch."""

from __future__ import annotations

import os
import pickle
import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import zarr

from lepton_jlab.data import Dataset, open_dataset
from lepton_jlab.errors import DataError

MakeDataset = Callable[..., Dataset]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow")
pytestmark = pytest.mark.integration  # the import alone takes seconds


def flat(batches: list[list[int]]) -> list[int]:
    return [value for batch in batches for value in batch]


@pytest.fixture
def seen() -> list[list[int]]:
    """Give the first value of each sample that the model of `model` was trained on, by batch."""
    return []


@pytest.fixture
def model(seen: list[list[int]]) -> Iterator[Any]:
    import keras

    class Watched(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1, kernel_initializer="zeros")
            self.weights_seen: list[Any] = []

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def train_step(self, data: Any) -> Any:
            seen.append(data[0][:, 0].numpy().astype(int).tolist())
            self.weights_seen.append(None if len(data) < 3 else data[2].numpy())
            return super().train_step(data)

    made = Watched()
    made.compile(loss="mse", optimizer=keras.optimizers.SGD(0.0), run_eagerly=True)
    return made


def test_tensors_in_the_stored_dtype(make_dataset: MakeDataset) -> None:
    import tensorflow as tf

    x, y = next(iter(make_dataset().batches(32)))
    assert isinstance(x, tf.Tensor)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((32, 3), tf.float32, (32,), tf.int32)


def test_fit_sees_each_sample_once_an_epoch_in_an_order_of_the_seed(
    make_dataset: MakeDataset, model: Any, seen: list[list[int]]
) -> None:
    batches = make_dataset(150).batches(32, shuffle=True, seed=4)
    random.seed(1)  # Keras would shuffle a PyDataset by this
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(batches, epochs=2, verbose=0)
    assert [len(batch) for batch in seen] == [32, 32, 32, 32, 22] * 2
    for epoch in (seen[:5], seen[5:]):
        assert sorted(flat(epoch)) == list(range(150))
    again = make_dataset(150, name="b").batches(32, shuffle=True, seed=4)
    expected = [y.numpy().tolist() for _ in range(2) for _, y in again]
    assert seen == expected


def test_a_compiled_model_fits_evaluates_and_predicts(make_dataset: MakeDataset) -> None:
    import keras

    ds = make_dataset(150)
    train, val = ds.split(0.8)
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    net.compile(loss="mse", optimizer="sgd", steps_per_execution=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = net.fit(
            train.batches(32, shuffle=True), validation_data=val.batches(8), epochs=2, verbose=0
        )
    assert len(history.history["val_loss"]) == 2
    net.set_weights([np.array([[0.0], [0.0], [1.0]]), np.zeros(1)])  # gives back its input
    assert net.evaluate(ds.batches(32), verbose=0) == 0
    assert net.predict(ds.batches(32), verbose=0)[:, 0].tolist() == list(range(150))


def test_steps_per_epoch_goes_on_where_it_stopped(
    make_dataset: MakeDataset, model: Any, seen: list[list[int]]
) -> None:
    model.fit(make_dataset(128).batches(32), steps_per_epoch=2, epochs=2, verbose=0)
    assert flat(seen) == list(range(128))


def test_class_weights_reach_the_loss(make_dataset: MakeDataset, model: Any) -> None:
    model.fit(make_dataset(40).batches(20), class_weight={0: 5.0, 39: 2.0}, verbose=0)
    first, last = model.weights_seen
    assert first.tolist() == [5] + [1] * 19
    assert last.tolist() == [1] * 19 + [2]


def test_a_distribution_strategy_takes_them(make_dataset: MakeDataset) -> None:
    import keras
    import tensorflow as tf

    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        net.compile(loss="mse", optimizer="sgd")
    net.fit(make_dataset(150).batches(32), verbose=0)


def test_to_tf_is_a_tf_data_dataset(make_dataset: MakeDataset) -> None:
    import tensorflow as tf

    ds = make_dataset(150)
    data = ds.to_tf(32, shuffle=True)
    assert isinstance(data, tf.data.Dataset)
    assert len(data) == 5
    first, second = ([y.numpy().tolist() for _, y in data] for _ in range(2))
    assert sorted(flat(first)) == sorted(flat(second)) == list(range(150))
    assert first != second
    assert [int(y) for _, y in ds.to_tf()] == list(range(150))


def test_batches_travel_by_address(make_dataset: MakeDataset) -> None:
    batches = make_dataset(150).batches(32, shuffle=True, seed=3)
    list(batches)
    data = pickle.dumps(batches)
    assert len(data) < 1000
    travelled = pickle.loads(data)
    assert travelled.epoch == 1
    assert [y.numpy().tolist() for _, y in travelled] == [y.numpy().tolist() for _, y in batches]


def test_strings_are_tensors_and_what_tensorflow_lacks_is_refused(tmp_path: Any) -> None:
    group = zarr.create_group(str(tmp_path / "t.zarr"))
    group.create_array("x", shape=(3,), dtype="str")[:] = np.array(["a", "b", "ä"], dtype=object)
    (batch,) = open_dataset(tmp_path / "t.zarr").batches(8)
    assert [text.decode() for text in batch.numpy()] == ["a", "b", "ä"]
    (batch,) = open_dataset(tmp_path / "t.zarr").to_tf(8)
    group.create_array("y", shape=(3,), dtype="datetime64[s]")
    with pytest.raises(DataError, match="TensorFlow has no type for the array 'y'"):
        open_dataset(tmp_path / "t.zarr").batches(8)
