"""Cleaning: what is found of planted faults, and what cleaning does for a model.

Fashion-MNIST gets 5 % wrong labels, 2 % copies, 2 % near copies and 1 % broken images, anew with
each seed. The first 20,000 images are taken, not all 60,000. A seed takes seven trainings: five to
find wrong labels, and one before cleaning and one after, both of as many steps as twelve epochs
before take, for a smaller dataset would else be trained on less. These two are tested on the same
untouched test part. They have no dropout and a learning rate that falls to 0, so that they learn
what they are shown, wrong labels too, and do not end at a chance step.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.planted import Planted, plant
from benchmarks.report import Figure, Result
from benchmarks.rounds import say

if TYPE_CHECKING:
    from lepton_jlab import Dataset

IMAGES = 20_000
EPOCHS = 5  # of the five models a seed that look for wrong labels
TRAINED = 12  # of the models before and after
RATE = 2e-3  # at first
BATCH = 128
SHARE = "share"
BETTER = "accuracy after cleaning, less before"
TARGETS = {
    "wrong labels: precision": 0.8,
    "wrong labels: recall": 0.8,
    "copies: precision": 1.0,
    "copies: recall": 1.0,
    "near copies: precision": 0.9,
    "near copies: recall": 0.95,
    BETTER: 0.0001,
}


def measure(rounds: int, quick: bool) -> Result:
    """Clean planted faults with as many seeds as rounds."""
    from lepton_jlab.data.sources import fashion_mnist

    loaded = fashion_mnist.load("fashion-mnist", None)
    x, y = (np.asarray(loaded.parts[""][name]) for name in ("x", "y"))
    test = tuple(np.asarray(loaded.parts["test"][name]) for name in ("x", "y"))
    # What Fashion-MNIST itself has twice would count as found wrongly.
    first = np.sort(np.unique(x.reshape(len(x), -1), axis=0, return_index=True)[1])
    first = first[: 2500 if quick else IMAGES]
    found: dict[str, list[float]] = {}
    samples: dict[str, list[float]] = {"a seed": []}
    folder = Path(tempfile.mkdtemp(prefix="cleaning-"))
    try:
        for seed in range(rounds):
            say(f"  seed {seed + 1} of {rounds}")
            known = plant(x[first], y[first], seed)
            begun = time.perf_counter()
            for title, value in _one(folder / "planted.zarr", known, test, seed).items():
                found.setdefault(title, []).append(value)
            samples["a seed"].append(time.perf_counter() - begun)
        say("")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = [
        Figure(title, statistics.mean(values), SHARE, at_least=TARGETS.get(title))
        for title, values in found.items()
    ]
    better = ", ".join(f"{value:+.4f}" for value in found[BETTER])
    notes = [
        f"Means of {rounds} seeds, {len(first):,} images before anything was planted, {EPOCHS} "
        f"epochs. {BETTER.capitalize()}, by seed: {better}."
    ]
    if find_spec("cleanlab") is None:
        notes.append("cleanlab is not installed: pip install cleanlab (Apache-2.0).")
    return Result(figures, samples, notes)


def _one(path: Path, known: Planted, test: tuple[Any, ...], seed: int) -> dict[str, float]:
    from lepton_jlab.data.clean import clean, labels

    dataset = _stored(path, known)
    told: list[tuple[Any, Any]] = []
    suspicions = labels.suspicions

    def overheard(probabilities: Any, given: Any) -> Any:
        told.append((probabilities, given))
        return suspicions(probabilities, given)

    labels.suspicions = overheard  # so that cleanlab judges the same predictions
    try:
        found = clean(dataset, epochs=EPOCHS, seed=seed)
    finally:
        labels.suspicions = suspicions
    wrong = set(known.wrong.tolist())
    one = _shares("wrong labels", set(found.indices("label").tolist()), wrong)
    if find_spec("cleanlab") is not None:
        one |= _shares("wrong labels by cleanlab", _by_cleanlab(found, told[0], dataset), wrong)
    broken = set(known.broken.tolist())
    for title, kind, true in (
        ("copies", "duplicate", known.copies),
        ("near copies", "near-duplicate", known.near),
    ):
        # Two images may have been broken to the same picture: that is not found wrongly.
        pairs = {
            pair for f in found.of(kind) if not (pair := frozenset((f.index, f.other))) <= broken
        }
        one |= _shares(title, pairs, set(map(frozenset, true.tolist())))
    found_broken = set(found.indices("constant", "broken").tolist())
    one |= _shares("broken", found_broken, broken)
    cleaned = found.apply(path.with_name("cleaned.zarr"), force=True)
    steps = TRAINED * len(dataset) // BATCH
    before = _accuracy(dataset, test, seed, steps)
    after = _accuracy(cleaned, test, seed, steps)
    one["accuracy before cleaning"] = before
    one["accuracy after cleaning"] = after
    one[BETTER] = after - before
    return one


def _stored(path: Path, known: Planted) -> Dataset:
    import zarr

    import lepton_jlab as lepton

    shutil.rmtree(path, ignore_errors=True)
    group = zarr.create_group(str(path))
    for name, values in (("x", known.x), ("y", known.y)):
        array = group.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=(1024, *values.shape[1:])
        )
        array[:] = values
    return lepton.open_dataset(path)


def _shares(title: str, found: set[Any], true: set[Any]) -> dict[str, float]:
    hits = len(found & true)
    return {
        f"{title}: precision": hits / max(1, len(found)),
        f"{title}: recall": hits / len(true),
    }


def _by_cleanlab(found: Any, told: tuple[Any, Any], dataset: Any) -> set[int]:
    """Return what cleanlab suspects by the same predictions, with its defaults."""
    from cleanlab.filter import find_label_issues

    bad = found.indices("nonfinite", "constant", "broken")
    rows = np.setdiff1d(np.arange(len(dataset)), bad)
    issues = find_label_issues(told[1], told[0], n_jobs=1)
    return set(rows[issues].tolist())


def _accuracy(dataset: Any, test: tuple[Any, ...], seed: int, steps: int) -> float:
    """Train a network for so many steps, and test it."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    train = dataset.normalize(each=False)
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    batches = train.batches(BATCH, shuffle=True, seed=seed).repeat()
    model.fit(batches, epochs=1, steps_per_epoch=steps, verbose=0)
    predicted = model.predict(train.recipe(test[0]), batch_size=1024, verbose=0).argmax(axis=1)
    return float((predicted == test[1]).mean())
