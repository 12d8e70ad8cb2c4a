"""Offline prediction against Keras's predict on arrays in memory, on one core; and its memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fresh import in_new_process
from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import Samples, interleave, ratio, seconds

_LEPTON = "lepton.predict, compressed Zarr to compressed Zarr"
_KERAS = "model.predict, array in memory"
_LARGE = "model.predict, array in memory, batch_size=1024"

_QUICK = 6_000  # samples
_PICTURES = 60_000
_TIMES_MEMORY = 10.0


def measure(rounds: int, quick: bool) -> Result:
    """Time the same predictions in every way in turn; then one of far more than memory."""
    samples = in_new_process(_predicted, rounds, quick)
    share = in_new_process(_large, quick)
    figures = [
        Figure(
            f"speed on one core against {name}", ratio(samples, name, _LEPTON), TIMES, at_least=w
        )
        for name, w in ((_KERAS, 0.9), (_LARGE, 0.9))
    ]
    figures.append(
        Figure(
            "size of a dataset against the memory of the process that predicted it",
            share,
            TIMES,
            at_least=None if quick else _TIMES_MEMORY,
        )
    )
    notes = [
        f"{_QUICK if quick else _PICTURES:,} pictures of 28 by 28 through the network of the "
        "quickstart, everything on one core: reading, decoding, the model, encoding, writing, and "
        "of Lepton also loading the model and tracing it anew each time. The memory is the peak of "
        "the whole process, TensorFlow included."
    ]
    return Result(figures, samples, notes)


def _predicted(rounds: int, quick: bool) -> Samples:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1"}
    import lepton_jlab as lepton
    from benchmarks.training_data import build

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        count = _QUICK if quick else _PICTURES
        images = np.random.default_rng(0).integers(0, 255, (count, 28, 28, 1), dtype=np.uint8)
        images[:, :, 14:] = images[:, :, :1]  # compresses about as clothes do
        np.savez(path / "pictures.npz", x=images)
        lepton.import_dataset(str(path / "pictures.npz"), path / "pictures.zarr")
        model = build()
        lepton.save_model(model, "offline")

        def keras(batch: int) -> Callable[[], float]:
            return lambda: seconds(lambda: model.predict(images, batch_size=batch, verbose=0))

        def mine() -> float:
            names = ("offline", path / "pictures.zarr", path / "answers.zarr")
            return seconds(lambda: lepton.predict(*names, here=True, force=True))

        ways = {_LEPTON: mine, _KERAS: keras(32), _LARGE: keras(1024)}
        for way in ways.values():
            way()
        answers: Any = lepton.open_dataset(path / "answers.zarr").arrays["y"]
        np.testing.assert_allclose(answers[:], model.predict(images, verbose=0), atol=1e-5)
        return interleave(ways, rounds)


def _large(quick: bool) -> float:
    """Predict a dataset of 8 GB (0.5 GB if quick) and return its size over the peak of memory."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import zarr

    import lepton_jlab as lepton

    shape, chunk, chunks = (64, 64, 3), 256, 160 if quick else 2600
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        array: Any = zarr.create_array(
            path / "large.zarr",
            shape=(chunks * chunk, *shape),
            chunks=(chunk, *shape),
            dtype="u1",
            fill_value=7,
        )
        ramp = np.arange(chunk, dtype="u1")[:, None, None, None]
        for number in range(chunks):
            array[number * chunk : (number + 1) * chunk] = ramp + np.uint8(number % 7)
        layers = keras.layers
        model = keras.Sequential(
            [layers.Input(shape), layers.AveragePooling2D(16), layers.Flatten(), layers.Dense(4)]
        )
        lepton.save_model(model, "large")
        lepton.predict("large", path / "large.zarr", path / "answers.zarr", here=True)
        status = Path("/proc/self/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
        return float(array.nbytes / peak)
