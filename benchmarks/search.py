"""A search by TPE with Hyperband against the full grid over the same ranges, on Fashion-MNIST."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.home import cluster
from benchmarks.report import Figure, Result
from benchmarks.rounds import say

if TYPE_CHECKING:
    from lepton_jlab import Sweep

_EPOCHS = 9
_GRID = {
    "lr": [1e-4, 1e-3, 1e-2, 1e-1],
    "units": [16, 48, 128],
    "dropout": [0.0, 0.25, 0.5],
}
_RANGES = {"lr": "log(1e-4,1e-1)", "units": "logint(16,128)", "dropout": "float(0,0.5)"}
_TRIALS = 18
_SAMPLES = 6_000
_CELL = """
import keras
import numpy as np

data = np.load(path)
keras.utils.set_random_seed(seed)
model = keras.Sequential([
    keras.layers.Input((28, 28, 1)),
    keras.layers.Rescaling(1 / 255),
    keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
    keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
    keras.layers.Flatten(),
    keras.layers.Dense(units, activation="relu"),
    keras.layers.Dropout(dropout),
    keras.layers.Dense(10, activation="softmax"),
])
model.compile(
    keras.optimizers.Adam(lr), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
)
model.fit(
    data["x"], data["y"], validation_data=(data["val_x"], data["val_y"]),
    epochs=epochs, batch_size=64, verbose=0,
)
"""


def measure(rounds: int, quick: bool) -> Result:
    """Run the grid, then the search, with the same seed; a seed a round."""
    grid: dict[str, list[Any]] = dict(_GRID)
    trials, epochs = _TRIALS, _EPOCHS
    if quick:
        grid, trials, epochs = {name: values[:2] for name, values in grid.items()}, 6, 3
    names = {"path": _data(_SAMPLES // 6 if quick else _SAMPLES), "epochs": epochs}
    found: dict[str, list[float]] = {}
    samples: dict[str, list[float]] = {"training of the grid": [], "training of the search": []}
    with cluster():
        for seed in range(rounds):
            say(f"  seed {seed + 1} of {rounds}")
            whole = _run(grid, {**names, "seed": seed})
            search = {"trials": trials, "prune": "hyperband", "metric": "val_accuracy"}
            part = _run(_RANGES, {**names, "seed": seed}, seed=seed, **search)
            for name, value in _compared(whole, part).items():
                found.setdefault(name, []).append(value)
            for taken, sweep in zip(samples.values(), (whole, part), strict=True):
                taken.append(_seconds(sweep))
    say("")
    points = len(grid["lr"]) * len(grid["units"]) * len(grid["dropout"])
    against = f"{trials} trials by TPE + Hyperband against a grid of {points}"
    return Result(
        [
            Figure(f"{against}: training time", _median(found, "seconds"), "%", at_most=40),
            Figure(f"{against}: epochs trained", _median(found, "epochs"), "%"),
            Figure(f"{against}: best accuracy more", _median(found, "gain"), "%", at_least=0),
        ],
        samples,
        [
            f"{_SAMPLES:,} pictures of Fashion-MNIST and as many to validate, {epochs} epochs, a "
            "small CNN; learning rate, units and dropout. Both start from the same seed, another "
            "in each round; accuracies are the last ones on validation data, in percentage points. "
            f"In {_reached(found)} of {rounds} rounds that of the search was the grid's or better."
        ],
    )


def _run(sweep: dict[str, Any], names: dict[str, Any], **search: Any) -> Sweep:
    import lepton_jlab as lepton

    made = lepton.submit(_CELL, sweep=sweep, namespace=names, **search)
    assert isinstance(made, lepton.Sweep)
    made.wait(3600)
    if wrong := [run for run in made if run.state in ("failed", "lost")]:
        raise RuntimeError(f"{wrong[0].id}: {wrong[0].error}")
    return made


def _compared(grid: Sweep, search: Sweep) -> dict[str, float]:
    """Return what the search took of the grid, in percent, and how much better it ended."""
    best = [sweep.best("val_accuracy").metrics["val_accuracy"] for sweep in (grid, search)]
    return {
        "seconds": 100 * _seconds(search) / _seconds(grid),
        "epochs": 100 * _trained(search) / _trained(grid),
        "gain": 100 * (best[1] - best[0]),
    }


def _seconds(sweep: Sweep) -> float:
    return sum(run.phases["run"] for run in sweep)


def _trained(sweep: Sweep) -> int:
    return sum(len(run.history_rows()) for run in sweep)


def _median(found: dict[str, list[float]], name: str) -> float:
    return statistics.median(found[name])


def _reached(found: dict[str, list[float]]) -> int:
    return sum(gain >= 0 for gain in found["gain"])


def _data(samples: int) -> str:
    """Keep so many pictures to train and as many others to validate, in one file."""
    import lepton_jlab as lepton

    folder = Path(tempfile.mkdtemp(dir=os.environ["TMPDIR"]))
    ds = lepton.import_dataset("fashion-mnist", folder / "fashion.zarr")
    x, y = np.asarray(ds.x[: 2 * samples]), np.asarray(ds.y[: 2 * samples])
    parts = {"x": x[:samples], "y": y[:samples], "val_x": x[samples:], "val_y": y[samples:]}
    np.savez(folder / "fashion.npz", **parts)
    return str(folder / "fashion.npz")
