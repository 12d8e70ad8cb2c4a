"""One model on several workers, against one process, and against what the machine can do."""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import lepton_jlab as lepton
from benchmarks.home import WORKERS
from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import interleave, median_of, ratio

_CELL = """
import time
import keras
import numpy as np
import lepton_jlab as lepton
from lepton_jlab.data.stream.ranks import Share, share_work

if lepton.world() < shards:
    share_work(Share(0, 1, shards))  # the batches of all ranks, behind one another

class Clock(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()
    def on_epoch_end(self, epoch, logs=None):
        seconds.append(time.perf_counter() - self.start)

class Early(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if len(early) < few:
            early.append([np.asarray(w) for w in self.model.get_weights()])

seconds, early = [], []
activation = "tanh" if smooth else "relu"
pooling = keras.layers.AveragePooling2D if smooth else keras.layers.MaxPooling2D
keras.utils.set_random_seed(1)
model = keras.Sequential([
    keras.layers.Input((28, 28, 1)),
    keras.layers.Conv2D(16, 3, activation=activation),
    pooling(2),
    keras.layers.Conv2D(32, 3, activation=activation),
    keras.layers.Flatten(),
    keras.layers.Dense(10),
])
model.compile(keras.optimizers.SGD(0.01, momentum=0.9),
              keras.losses.SparseCategoricalCrossentropy(from_logits=True))
batches = ds.batches(64, shuffle=True)
if reorder:  # the samples of each batch, so that the same gradients are summed in another order
    numbers = np.random.default_rng(3)
    def reordered(x, y):
        places = numbers.permutation(len(y))
        return x[places], y[places]
    batches = batches.map(reordered, numpy=True)
callbacks = [Clock(), *([Early()] if few else [])]
model.fit(batches, epochs=epochs, verbose=0, callbacks=callbacks)
weights = [np.asarray(w) for w in model.get_weights()]
apart = max(float(np.abs(lepton.all_reduce(w, "max") - w).max()) for w in weights)
"""
_DEATH = """
import os, signal, time
from pathlib import Path
import lepton_jlab as lepton

try:
    for step in range(200):
        lepton.all_reduce(1.0)
        if step == 100 and lepton.rank() == 1:
            Path(file).write_text(repr(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)
except lepton.LeptonError:
    Path(file + ".noticed").write_text(repr(time.time()))
    raise
"""
_FEW = 3  # steps after which rounding is all that may differ; later, a ReLU may switch by it
_UNIT = "millionths"
_ONE, _APART = "one process", f"{WORKERS} independent processes"


def measure(rounds: int, quick: bool) -> Result:
    """Time epochs of one model on one, two and four workers, and of two models at once."""
    epochs, samples = (2, 1024) if quick else (4, 8192)
    with tempfile.TemporaryDirectory() as folder:
        values = {"ds": _dataset(Path(folder), samples), "epochs": epochs}
        cluster = lepton.start_cluster("replicas", workers=4, threads=1, idle_timeout="1h")
        lepton.use_cluster("replicas")
        try:
            train = partial(_speed, values, samples)
            ways = {_ONE: partial(train, 1), _APART: partial(train, 1, WORKERS)}
            ways |= {f"{n} replicas": partial(train, n) for n in (2, 4)}
            speeds = interleave(ways, rounds)
            differences = [figure for n in (2, 4) for figure in _differences(values, n)]
            deaths = [_death(Path(folder) / f"death-{n}") for n in range(rounds)]
        finally:
            cluster.stop(force=True)
    two = ratio(speeds, "2 replicas", _ONE)
    limit = ratio(speeds, _APART, _ONE)
    figures = [Figure(f"samples/s: {way}", median_of(speeds, way), "samples/s") for way in speeds]
    figures += [
        Figure(f"{_APART}, against {_ONE}: the machine's own limit", limit, TIMES),
        Figure(f"2 replicas, against {_ONE}", two, TIMES),
        Figure("2 replicas: efficiency E = S/N", two / 2, TIMES),
        Figure("2 replicas, against the machine's own limit", two / limit, TIMES),
        Figure(f"4 replicas, against {_ONE}", ratio(speeds, "4 replicas", _ONE), TIMES),
        *differences,
        Figure("a peer's death noticed", statistics.median(deaths) * 1000, "ms", at_most=1000),
    ]
    return Result(figures, speeds, units=dict.fromkeys(speeds, "samples/s"))


def _dataset(folder: Path, samples: int) -> lepton.Dataset:
    random = np.random.default_rng(0)
    x = random.standard_normal((samples, 28, 28, 1), dtype="float32")
    y = (x.mean((1, 2, 3)) * 100 % 10).astype("int64")
    return lepton.import_dataset({"x": x, "y": y}, folder / "digits.zarr")


def _run(values: dict[str, Any], replicas: int, shards: int, **more: Any) -> lepton.Run:
    space = {"few": 0, "smooth": False, "reorder": False, **values, "shards": shards, **more}
    pull = ["seconds", "early", "weights", "apart"]
    run = lepton.submit(_CELL, namespace=space, replicas=replicas, pull=pull)
    assert isinstance(run, lepton.Run)
    return run


def _done(run: lepton.Run) -> lepton.Run:
    run.wait(600)
    if run.state != "done":
        raise RuntimeError(f"{run.id} {run.state}: {run.error}")
    return run


def _speed(values: dict[str, Any], samples: int, replicas: int, at_once: int = 1) -> float:
    """Return samples a second, of all runs together; the first epoch traces and is left out."""
    runs = [_run(values, replicas, 1) for _ in range(at_once)]
    return float(sum(samples / statistics.median(_done(run).values["seconds"][1:]) for run in runs))


def _differences(values: dict[str, Any], replicas: int) -> list[Figure]:
    """Say how far apart the weights of ranks, and of one process with their batches, are.

    Beside it, how far one process is from itself when it sums in another order: over many steps
    that is all that can be asked for, since a ReLU or a maximum switches by the smallest rounding.
    """
    figures = []
    for smooth in (False, True):
        ways = [(replicas, False), (1, False), (1, True)]
        ranks, alone, reordered = (
            _done(_run(values, n, replicas, few=_FEW, smooth=smooth, reorder=reorder)).values
            for n, reorder in ways
        )
        if ranks["apart"]:
            raise RuntimeError(f"the weights of {replicas} ranks are {ranks['apart']} apart")
        net = "tanh and means" if smooth else "ReLU and maxima"
        few = _far(ranks["early"][-1], alone["early"][-1])
        all_, floor = (_far(one["weights"], alone["weights"]) for one in (ranks, reordered))
        title = f"{replicas} replicas, {net}: weights against one process"
        figures += [
            Figure(f"{title}, after {_FEW} steps", few, _UNIT, at_most=1.0),
            Figure(f"{title}, after training", all_, _UNIT),
            Figure(f"{title}; one process in another order of summation", floor, _UNIT),
        ]
    return figures


def _far(ours: list[Any], theirs: list[Any]) -> float:
    """Return the largest difference of two sets of weights, in millionths."""
    pairs = zip(ours, theirs, strict=True)
    return 1e6 * max(float(np.abs(a - b).max()) for a, b in pairs)


def _death(file: Path) -> float:
    """Return the seconds from the kill of a rank to the error of the other."""
    options: dict[str, Any] = {"namespace": {"file": str(file)}, "replicas": 2}
    run = lepton.submit(_DEATH, **options)
    noticed = Path(f"{file}.noticed")
    while not noticed.exists() and run.state in ("queued", "running"):  # type: ignore[union-attr]
        pass
    run.cancel(force=True)
    run.wait(60)
    return float(noticed.read_text()) - float(file.read_text())
