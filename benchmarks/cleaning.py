"""Cleaning: what is found of planted faults and what it does for a model; a million rows in memory.

Fashion-MNIST gets 5 % wrong labels, 2 % copies, 2 % near copies and 1 % broken images, anew with
each seed. The same network is trained before and after, and tested on the same untouched test
part. The table has 32 columns of float32 and one of texts; it is cleaned in a process of its own,
and by pandas in another.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.planted import Planted, plant
from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import interleave, ratio

ROWS = 1_000_000
COLUMNS = 32
EPOCHS = 6
SHARE = "share"
MEMORY = 2048  # MiB
BY_PANDAS = "by hand in pandas"
BY_LEPTON = "data clean"


def measure(rounds: int, quick: bool) -> Result:
    """Clean planted faults with as many seeds as rounds; clean the table by turns."""
    folder = Path(tempfile.mkdtemp(prefix="cleaning-"))
    try:
        figures, notes = _planted(folder, rounds, 2500 if quick else 60_000)
        rows = ROWS // (50 if quick else 1)
        _table(folder / "table.zarr", rows)
        peaks: dict[str, float] = {}

        def timed(how: str) -> float:
            done = _apart(how, folder / "table.zarr")
            peaks[how] = max(peaks.get(how, 0), done["peak"])
            return float(done["seconds"])

        ways = {BY_LEPTON: lambda: timed(BY_LEPTON), BY_PANDAS: lambda: timed(BY_PANDAS)}
        samples = interleave(ways, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    per_second = rows / statistics.median(samples[BY_LEPTON]) / 1000
    title = f"{rows:,} rows of {COLUMNS} float32 and a text"
    figures += [
        Figure(f"{title}: most memory", peaks[BY_LEPTON], "MiB", at_most=MEMORY),
        Figure(f"{title}: most memory of pandas", peaks[BY_PANDAS], "MiB"),
        Figure(f"{title}: speed", per_second, "thousand rows/s"),
        Figure(
            f"{title}: time against pandas, which finds no near duplicates",
            ratio(samples, BY_LEPTON, BY_PANDAS),
            TIMES,
        ),
    ]
    return Result(figures, samples, notes)


# ---- planted faults


def _planted(folder: Path, seeds: int, count: int) -> tuple[list[Figure], list[str]]:
    from lepton_jlab.data.sources import fashion_mnist

    loaded = fashion_mnist.load("fashion-mnist", None)
    x, y = (np.asarray(loaded.parts[""][name]) for name in ("x", "y"))
    test = tuple(np.asarray(loaded.parts["test"][name]) for name in ("x", "y"))
    # What Fashion-MNIST itself has twice would count as found wrongly.
    first = np.sort(np.unique(x.reshape(len(x), -1), axis=0, return_index=True)[1])[:count]
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        known = plant(x[first], y[first], seed)
        for title, value in _one(folder / "planted.zarr", known, test, seed).items():
            found.setdefault(title, []).append(value)
    targets = {
        "wrong labels: precision": 0.8,
        "wrong labels: recall": 0.8,
        "copies: precision": 1.0,
        "copies: recall": 1.0,
        "near copies: precision": 0.9,
        "near copies: recall": 0.95,
        "accuracy after cleaning, less before": 0.0001,
    }
    figures = [
        Figure(title, statistics.mean(values), SHARE, at_least=targets.get(title))
        for title, values in found.items()
    ]
    note = f"Means of {seeds} seeds, {len(first):,} images before anything was planted."
    if find_spec("cleanlab") is None:
        return figures, [note, "cleanlab is not installed: pip install cleanlab (Apache-2.0)."]
    return figures, [note]


def _one(path: Path, known: Planted, test: tuple[Any, ...], seed: int) -> dict[str, float]:
    import zarr

    import lepton_jlab as lepton
    from lepton_jlab.data.clean import clean, labels

    shutil.rmtree(path, ignore_errors=True)
    group = zarr.create_group(str(path))
    for name, values in (("x", known.x), ("y", known.y)):
        array = group.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=(1024, *values.shape[1:])
        )
        array[:] = values
    dataset = lepton.open_dataset(path)
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
    one = {}
    wrong = set(known.wrong.tolist())
    one |= _shares("wrong labels", set(found.indices("label").tolist()), wrong)
    if find_spec("cleanlab") is not None:
        one |= _shares("wrong labels by cleanlab", _by_cleanlab(found, told[0], dataset), wrong)
    for title, kind, true in (
        ("copies", "duplicate", known.copies),
        ("near copies", "near-duplicate", known.near),
    ):
        pairs = {frozenset((f.index, f.other)) for f in found.of(kind)}
        one |= _shares(title, pairs, set(map(frozenset, true.tolist())))
    broken = set(found.indices("constant", "broken").tolist())
    one |= _shares("broken", broken, set(known.broken.tolist()))
    cleaned = found.apply(path.with_name("cleaned.zarr"), force=True)
    before = _accuracy(dataset, test, seed)
    after = _accuracy(cleaned, test, seed)
    one["accuracy before cleaning"] = before
    one["accuracy after cleaning"] = after
    one["accuracy after cleaning, less before"] = after - before
    return one


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


def _accuracy(dataset: Any, test: tuple[Any, ...], seed: int) -> float:
    """Train the network that finds labels, and test it."""
    import keras

    from lepton_jlab.data.clean.folds import default_model, prepared

    keras.utils.set_random_seed(seed)
    train = prepared(dataset)
    model = default_model(train, 10)
    model.fit(train.batches(128, shuffle=True, seed=seed), epochs=EPOCHS, verbose=0)
    predicted = model.predict(train.recipe(test[0]), batch_size=1024, verbose=0).argmax(axis=1)
    return float((predicted == test[1]).mean())


# ---- a large table


def _table(path: Path, rows: int) -> None:
    import zarr

    random = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(5000)], np.dtypes.StringDType())
    group = zarr.create_group(str(path))
    step = 50_000
    x = group.create_array("x", shape=(rows, COLUMNS), dtype="f4", chunks=(8192, COLUMNS))
    text = group.create_array("text", shape=(rows,), dtype="str", chunks=(8192,))
    for start in range(0, rows, step):
        count = min(step, rows - start)
        values = random.normal(size=(count, COLUMNS)).astype("f4")
        values[random.integers(0, count, count // 1000), 3] = np.nan
        values[10:20] = values[:10]
        x[start : start + count] = values
        chosen = words[random.integers(0, len(words), (count, 8))]
        texts = np.array([" ".join(row) for row in chosen], np.dtypes.StringDType())
        texts[100:110] = texts[:10] + "!"
        texts[200:205] = ""
        text[start : start + count] = texts


def _apart(how: str, path: Path) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.cleaning", how, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _by_lepton(path: str) -> int:
    import lepton_jlab as lepton
    from lepton_jlab.data.clean import KINDS, clean

    return len(clean(lepton.open_dataset(path), [kind for kind in KINDS if kind != "label"]))


def _by_pandas(path: str) -> int:
    import pandas as pd
    import zarr

    group = zarr.open_group(path, mode="r")
    table = pd.DataFrame(group["x"][:])
    text = pd.Series(group["text"][:].astype(object))
    nan = table.isna().any(axis=1)
    double = table.duplicated()
    numbers = table.to_numpy()
    constant = (numbers == numbers[:, :1]).all(axis=1)
    low, high = table.quantile(0.25), table.quantile(0.75)
    far = ((table < low - 50 * (high - low)) | (table > high + 50 * (high - low))).any(axis=1)
    blank = text.str.strip() == ""
    same = text.duplicated()
    return int(sum(found.sum() for found in (nan, double, constant, far, blank, same)))


if __name__ == "__main__":
    begun = time.perf_counter()
    count = {BY_LEPTON: _by_lepton, BY_PANDAS: _by_pandas}[sys.argv[1]](sys.argv[2])
    took = time.perf_counter() - begun
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": took, "peak": most, "found": count}))
