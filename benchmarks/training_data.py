"""The network of the quickstart, trained from compressed Zarr and from arrays in memory."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fresh import in_new_process
from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import Samples, interleave, ratio, seconds

_LEPTON = "ds.batches(64, shuffle=True), compressed Zarr"
_ARRAYS = "arrays in memory, fit(x, y)"
_TF_DATA = "arrays in memory, tf.data"

_BATCH = 64
_EPOCHS = 2
_QUICK = 6_000  # samples


def measure(rounds: int, quick: bool) -> Result:
    """Time the same training in every way in turn, and ask Lepton how long it waited."""
    samples, waited = in_new_process(_trained, rounds, quick)
    epochs = f"{_EPOCHS} epochs of the quickstart's network"
    figures = [
        Figure(
            f"{epochs}: Lepton against {name}", ratio(samples, _LEPTON, name), TIMES, at_most=wanted
        )
        for name, wanted in ((_ARRAYS, 1.03), (_TF_DATA, None))
    ]
    share = 100 * statistics.median(waited)
    figures.append(Figure("share of the time that it waited for data", share, "%", at_most=2.0))
    notes = [
        "All 60,000 pictures of Fashion-MNIST, as `import` stores them, in batches of "
        f"{_BATCH}, on all cores. Every way has a network of its own, which has been traced before."
    ]
    return Result(figures, samples, notes)


def _trained(rounds: int, quick: bool) -> tuple[Samples, list[float]]:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import lepton_jlab as lepton

    waited: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fashion.zarr"
        lepton.import_dataset("fashion-mnist", path)
        ds = lepton.open_dataset(path)
        x, y = np.asarray(ds.x), np.asarray(ds.y)
        steps = None
        if quick:
            x, y, steps = x[:_QUICK], y[:_QUICK], -(-_QUICK // _BATCH)
        ways = {
            _LEPTON: _lepton(ds, steps, waited),
            _ARRAYS: _fit({"x": x, "y": y, "batch_size": _BATCH, "shuffle": True}),
            _TF_DATA: _fit({"x": _sliced(x, y)}),
        }
        for way in ways.values():
            way()  # traced, and its memory is there
        waited.clear()
        return interleave(ways, rounds), waited


def _lepton(ds: Any, steps: int | None, waited: list[float]) -> Callable[[], float]:
    batches = ds.batches(_BATCH, shuffle=True)
    if steps:
        batches = batches.take(steps)
    train = _fit({"x": batches})
    import keras

    spent: list[tuple[float, float]] = []

    def note(*_: Any) -> None:
        spent.append((batches.report.waited, batches.report.seconds))

    noting = keras.callbacks.LambdaCallback(on_epoch_end=note)

    def way() -> float:
        spent.clear()
        batches.epoch = 0  # so that nothing has been read of it ahead of time
        taken = train(callbacks=[noting])
        waits, all_ = (sum(values) for values in zip(*spent, strict=True))
        waited.append(waits / all_)
        return taken

    return way


def _fit(data: dict[str, Any]) -> Callable[..., float]:
    model = build()

    def way(callbacks: Any = None) -> float:
        return seconds(lambda: model.fit(**data, epochs=_EPOCHS, verbose=0, callbacks=callbacks))

    return way


def _sliced(x: Any, y: Any) -> Any:
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(4096).batch(_BATCH)
    return data.prefetch(tf.data.AUTOTUNE)


def build() -> Any:
    """Return the network of ``notebooks/quickstart.ipynb``, compiled."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model
