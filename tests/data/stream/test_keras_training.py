"""Training with these batches is training with the arrays: the same weights, bit for bit."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.stream.storing import memory_for

from lepton_jlab.data import Dataset, open_dataset
from lepton_jlab.errors import DataError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow")
pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("by_chunks")]
SAMPLES = 300


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Three classes of noise, x and y in chunks of different lengths."""
    folder = tmp_path_factory.mktemp("training") / "d.zarr"
    rng = np.random.default_rng(0)
    group = zarr.create_group(str(folder))
    y = rng.integers(0, 3, SAMPLES).astype("i4")
    x = (rng.normal(size=(SAMPLES, 8)) + y[:, None]).astype("f4")
    group.create_array("x", data=x, chunks=(20, 8))
    group.create_array("y", data=y, chunks=(50,))
    return open_dataset(folder)


@pytest.fixture(scope="module")
def weighted(ds: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("weighted") / "d.zarr"
    group = zarr.create_group(str(folder))
    weights = np.random.default_rng(1).random(SAMPLES).astype("f4")
    for name, values in (("x", ds.x[:]), ("y", ds.y[:]), ("sample_weight", weights)):
        group.create_array(name, data=values, chunks=(20, *values.shape[1:]))
    return open_dataset(folder)


@pytest.fixture
def make_net() -> Callable[..., Any]:
    """Make a net that always begins with the same weights."""
    import keras

    def make(**compiling: Any) -> Any:
        keras.utils.set_random_seed(7)
        net = keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(16, activation="relu"),
                keras.layers.Dense(3),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        metrics = {"metrics": ["accuracy"], "weighted_metrics": []} | compiling
        net.compile(loss=loss, optimizer=keras.optimizers.Adam(0.01), **metrics)
        return net

    return make


def batches_of(ds: Dataset, batch_size: int = 32, shuffle: bool = False, **more: Any) -> Any:
    return ds.batches(batch_size, shuffle, memory=memory_for(ds, batch_size, 60), **more)


def same(one: Any, other: Any) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


COMPILING = {
    "plain": {},
    "several steps an execution": {"steps_per_execution": 4},
    "jit": {"jit_compile": True},
    "eager": {"run_eagerly": True},
}


@pytest.mark.parametrize("compiling", COMPILING)
def test_the_weights_are_those_of_training_with_arrays(
    ds: Dataset, make_net: Callable[..., Any], compiling: str
) -> None:
    options = COMPILING[compiling]
    streamed, fed = make_net(**options), make_net(**options)
    history = streamed.fit(batches_of(ds), epochs=3, verbose=0).history
    expected = fed.fit(ds.x[:], ds.y[:], batch_size=32, shuffle=False, epochs=3, verbose=0).history
    assert same(streamed, fed)
    assert history == expected


@pytest.mark.parametrize("compiling", COMPILING)
def test_shuffled_they_are_those_of_arrays_in_that_order(
    ds: Dataset, make_net: Callable[..., Any], compiling: str
) -> None:
    options = COMPILING[compiling]
    streamed, fed = make_net(**options), make_net(**options)
    batches = batches_of(ds, shuffle=True, seed=3)
    streamed.fit(batches, epochs=2, verbose=0)
    batches.epoch = 0
    for _ in range(2):
        x, y = (np.concatenate(parts) for parts in zip(*batches.numpy(), strict=True))
        assert not np.array_equal(y, ds.y[:])
        fed.fit(x, y, batch_size=32, shuffle=False, verbose=0)
    assert same(streamed, fed)


def test_weights_of_classes_and_of_samples_count(
    ds: Dataset, weighted: Dataset, make_net: Callable[..., Any]
) -> None:
    x, y = ds.x[:], ds.y[:]
    of_classes = {0: 1.0, 1: 5.0, 2: 0.5}
    plain, streamed, fed = make_net(), make_net(), make_net()
    plain.fit(batches_of(ds), verbose=0)
    streamed.fit(batches_of(ds), class_weight=of_classes, verbose=0)
    fed.fit(x, y, batch_size=32, shuffle=False, class_weight=of_classes, verbose=0)
    assert same(streamed, fed)
    assert not same(streamed, plain)

    streamed, fed = make_net(), make_net()
    streamed.fit(batches_of(weighted), verbose=0)
    weights = weighted.arrays["sample_weight"][:]
    fed.fit(x, y, batch_size=32, shuffle=False, sample_weight=weights, verbose=0)
    assert same(streamed, fed)
    with pytest.raises(DataError, match="class_weight needs batches of"):
        make_net().fit(batches_of(weighted), class_weight=of_classes, verbose=0)


def test_class_weights_count_for_mapped_tensors(ds: Dataset, make_net: Callable[..., Any]) -> None:
    of_classes = {0: 1.0, 1: 5.0, 2: 0.5}
    streamed, mapped = make_net(), make_net()
    streamed.fit(batches_of(ds), class_weight=of_classes, verbose=0)
    same_again = batches_of(ds).map(lambda x, y: (x + 0, y + 0))
    mapped.fit(same_again, class_weight=of_classes, verbose=0)
    assert same(streamed, mapped)


def test_evaluate_and_predict_are_those_of_arrays(
    ds: Dataset, weighted: Dataset, make_net: Callable[..., Any]
) -> None:
    net = make_net()
    x, y = ds.x[:], ds.y[:]
    assert net.evaluate(batches_of(ds), verbose=0) == net.evaluate(x, y, batch_size=32, verbose=0)
    weights = weighted.arrays["sample_weight"][:]
    assert net.evaluate(batches_of(weighted), verbose=0) == net.evaluate(
        x, y, batch_size=32, sample_weight=weights, verbose=0
    )
    assert np.array_equal(net.predict(batches_of(ds), verbose=0), net.predict(x, verbose=0))


def test_validation_data_are_those_of_arrays_each_epoch(
    ds: Dataset, make_net: Callable[..., Any]
) -> None:
    x, y = ds.x[:], ds.y[:]
    streamed, fed = make_net(), make_net()
    validation = batches_of(ds, 64)
    mine = streamed.fit(batches_of(ds), validation_data=validation, epochs=3, verbose=0)
    theirs = fed.fit(
        x, y, batch_size=32, shuffle=False, epochs=3, verbose=0,
        validation_data=(x, y), validation_batch_size=64,
    )  # fmt: skip
    assert mine.history == theirs.history
    assert validation.epoch == 3


def test_the_same_batches_may_train_and_validate(ds: Dataset, make_net: Callable[..., Any]) -> None:
    batches = batches_of(ds, shuffle=True)
    history = make_net().fit(batches, validation_data=batches, epochs=4, verbose=0).history
    assert len(history["val_loss"]) == 4


def test_looking_at_a_batch_takes_nothing_from_training(
    ds: Dataset, make_net: Callable[..., Any], recwarn: pytest.WarningsRecorder
) -> None:
    batches = batches_of(ds, shuffle=True)
    next(iter(batches))
    make_net().fit(batches, verbose=0)
    assert batches.report.samples == SAMPLES
    assert not [warning for warning in recwarn if "ran out of data" in str(warning.message)]


def test_training_goes_on_from_a_saved_position(
    ds: Dataset, make_net: Callable[..., Any], tmp_path: Path
) -> None:
    whole, part = make_net(), make_net()
    whole.fit(batches_of(ds, shuffle=True), epochs=2, verbose=0)
    batches = batches_of(ds, shuffle=True)
    started = iter(batches)
    for _ in range(4):
        part.train_on_batch(*next(started))
    state = batches.state_dict()
    resumed = batches_of(ds, shuffle=True)
    resumed.load_state_dict(state)
    for _ in range(2):
        for x, y in resumed:
            part.train_on_batch(x, y)
    assert same(whole, part)
