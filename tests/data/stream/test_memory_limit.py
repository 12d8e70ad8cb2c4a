"""Data ten times as large as the memory they may use: the limit holds, as the system counts it."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, GzipCodec

pytestmark = pytest.mark.integration
ROW = 64 * 64 * 3  # bytes

MEASURE = """
    import json, os, sys, threading
    import psutil

    how, folder, limit = sys.argv[1:]
    from lepton_jlab.data import open_dataset

    if how == "keras":
        import keras

        net = keras.Sequential([
            keras.Input((64, 64, 3)), keras.layers.Rescaling(1 / 255),
            keras.layers.AveragePooling2D(8), keras.layers.Flatten(), keras.layers.Dense(10),
        ])
        net.compile(loss=keras.losses.SparseCategoricalCrossentropy(True), optimizer="sgd")
    else:
        from lepton_jlab.data.stream import batches as module
        module.batches_of = lambda stream, *_: module.Batches(stream)

    def train(name):
        batches = open_dataset(f"{folder}/{name}.zarr").batches(64, shuffle=True, memory=limit)
        if how == "keras":
            net.fit(batches, epochs=2, verbose=0)
            return batches.report.samples
        return sum(len(y) for _ in range(2) for _, y in batches.numpy()) // 2

    process, done = psutil.Process(), threading.Event()
    train("small")  # what libraries need once
    before = peak = process.memory_info().rss

    def sample():
        global peak
        while not done.wait(0.002):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=sample)
    watcher.start()
    samples = train("large")
    done.set()
    watcher.join()
    print(json.dumps({"samples": samples, "grown": peak - before, "before": before}))
"""


def write(folder: Path, samples: int, codec: Any, chunk: int) -> None:
    """Store images: each chunk repeats a few that are noise, so that writing takes a second."""
    rng = np.random.default_rng(0)
    group = zarr.create_group(str(folder))
    x = group.create_array(
        "x",
        shape=(samples, 64, 64, 3),
        chunks=(chunk, 64, 64, 3),
        dtype="u1",
        compressors=codec,
    )
    images = rng.integers(0, 16, (4, 64, 64, 3)).astype("u1")
    block = np.tile(images, (chunk // 4, 1, 1, 1))
    for start in range(0, samples, chunk):
        x[start : start + chunk] = block[: samples - start]
    group.create_array("y", data=rng.integers(0, 10, samples).astype("u1"), chunks=(4096,))


def grown(folder: Path, how: str, limit: int) -> int:
    """Return by how many bytes the process grew at most over what it had after a warm-up."""
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURE), how, str(folder), str(limit)],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    found = json.loads(process.stdout.splitlines()[-1])
    assert found["samples"] == zarr.open(str(folder / "large.zarr/y")).shape[0]
    print(how, found)
    assert found["grown"] > limit // 4  # or something else was measured
    return int(found["grown"])


@pytest.fixture(scope="module")
def ten_times_64_mib(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    codec = BloscCodec(cname="lz4", clevel=1)
    write(folder / "large.zarr", 10 * (64 << 20) // ROW, codec, 256)
    write(folder / "small.zarr", 64, codec, 256)
    return folder


@pytest.mark.parametrize(
    ("how", "slack"),
    [("numpy", 8 << 20), ("keras", 16 << 20)],
    ids=["a loop over NumPy arrays", "training with Keras"],
)
def test_memory_grows_by_no_more_than_the_limit(
    ten_times_64_mib: Path, how: str, slack: int
) -> None:
    """Measured: by 63 and 64 MiB of 64.

    The slack is for the stacks and heaps of threads, and for 3 MiB of floats that Keras makes of
    each of the few batches that it holds.
    """
    assert grown(ten_times_64_mib, how, 64 << 20) <= (64 << 20) + slack


def test_memory_of_a_codec_that_does_not_decode_in_place_is_counted(tmp_path: Path) -> None:
    codec = GzipCodec(level=1)
    write(tmp_path / "large.zarr", 5 * (64 << 20) // ROW, codec, 256)
    write(tmp_path / "small.zarr", 64, codec, 256)
    assert grown(tmp_path, "numpy", 64 << 20) <= (64 << 20) + (8 << 20)
