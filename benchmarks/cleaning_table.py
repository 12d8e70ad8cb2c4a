"""Cleaning a million rows of 32 float32 and a text, beside pandas and cleanlab used by hand.

The table lies in a Zarr dataset and is cleaned in a process of its own, by turns with pandas, which
holds it in memory and looks for less: no near duplicates, no outliers. Cleanlab has checks of
single kinds: its judgement of labels and of outliers is timed against Lepton's, on the same numbers
in memory.
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
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import interleave, ratio, seconds

ROWS = 1_000_000
COLUMNS = 32
MEMORY = 2048  # MiB
LABELS = 200_000  # whose classes are judged
CLASSES = 10
FEATURES = 20_000  # rows among which cleanlab looks for outliers: each with all others
BY_PANDAS = "by hand in pandas"
BY_LEPTON = "data clean"
LABELS_BY = {"lepton": "labels judged by Lepton", "cleanlab": "labels judged by cleanlab"}
FAR_BY = {"lepton": "outliers by Lepton", "cleanlab": "outliers by cleanlab"}


def measure(rounds: int, quick: bool) -> Result:
    """Clean the table by turns, and judge labels and outliers by turns."""
    part = 50 if quick else 1
    folder = Path(tempfile.mkdtemp(prefix="cleaning-"))
    peaks: dict[str, float] = {}

    def timed(how: str) -> Callable[[], float]:
        def work() -> float:
            done = _apart(how, folder / "table.zarr")
            peaks[how] = max(peaks.get(how, 0), done["peak"])
            return float(done["seconds"])

        return work

    ways = {BY_LEPTON: timed(BY_LEPTON), BY_PANDAS: timed(BY_PANDAS)}
    cleanlab = find_spec("cleanlab") is not None
    if cleanlab:
        ways |= _beside_cleanlab(LABELS // part, FEATURES // part)
    try:
        _table(folder / "table.zarr", ROWS // part)
        samples = interleave(ways, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    title = f"{ROWS // part:,} rows of {COLUMNS} float32 and a text"
    per_second = ROWS / part / statistics.median(samples[BY_LEPTON]) / 1000
    figures = [
        Figure(f"{title}: most memory", peaks[BY_LEPTON], "MiB", at_most=MEMORY),
        Figure(f"{title}: most memory of pandas", peaks[BY_PANDAS], "MiB"),
        Figure(f"{title}: speed", per_second, "thousand rows/s"),
        Figure(f"{title}: time against pandas", ratio(samples, BY_LEPTON, BY_PANDAS), TIMES),
    ]
    if not cleanlab:
        return Result(figures, samples, ["cleanlab is missing: pip install 'lepton_jlab[bench]'."])
    for what, names in (
        (f"judging {LABELS // part:,} labels", LABELS_BY),
        (f"finding outliers among {FEATURES // part:,} rows", FAR_BY),
    ):
        against = ratio(samples, names["lepton"], names["cleanlab"])
        figures.append(Figure(f"{what}: time against cleanlab", against, TIMES))
    return Result(figures, samples)


def _beside_cleanlab(labels: int, rows: int) -> dict[str, Callable[[], float]]:
    from cleanlab.filter import find_label_issues
    from cleanlab.outlier import OutOfDistribution

    from lepton_jlab.data.clean.labels import suspicions
    from lepton_jlab.data.clean.outliers import Space

    random = np.random.default_rng(0)
    given = random.integers(0, CLASSES, labels)
    logits = random.normal(size=(labels, CLASSES))
    logits[np.arange(labels), given] += 3
    wrong = random.permutation(labels)[: labels // 20]
    given[wrong] = random.integers(0, CLASSES, len(wrong))
    told = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    values = random.normal(size=(rows, COLUMNS)).astype("f4")

    def strangeness() -> Any:
        space = Space.of(values[:4096])
        assert space is not None
        return space.strangeness(values)

    return {
        LABELS_BY["lepton"]: lambda: seconds(lambda: suspicions(told, given)),
        LABELS_BY["cleanlab"]: lambda: seconds(lambda: find_label_issues(given, told, n_jobs=1)),
        FAR_BY["lepton"]: lambda: seconds(strangeness),
        FAR_BY["cleanlab"]: lambda: seconds(
            lambda: OutOfDistribution().fit_score(features=values, verbose=False)
        ),
    }


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
    words = [sys.executable, "-m", "benchmarks.cleaning_table", how, str(path)]
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
