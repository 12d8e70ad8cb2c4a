"""A table is cleaned within a memory that grows with its rows only slowly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

pytestmark = pytest.mark.integration

ROWS, COLUMNS = 100_000, 32
LIMIT = 100  # MiB over what imports take, half the share of 2 GiB for a million rows; seen: 40
CLEAN = """
import json, resource, sys
import lepton_jlab as lepton
from lepton_jlab.data.clean import KINDS, clean
import lepton_jlab.data.clean.cleaning, numpy.random, zarr

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

dataset = lepton.open_dataset(sys.argv[1])
dataset.x[:1]
before = peak()
found = clean(dataset, [kind for kind in KINDS if kind != "label"])
print(json.dumps({"counts": found.counts, "grown": peak() - before}))
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(5000)])
    group = zarr.create_group(str(tmp_path / "table.zarr"))
    values = random.normal(size=(ROWS, COLUMNS)).astype("f4")
    values[1000::1000, 3] = np.nan
    values[10:20] = values[:10]
    group.create_array("x", data=values, chunks=(8192, COLUMNS))
    texts = [" ".join(row) for row in words[random.integers(0, len(words), (ROWS, 8))]]
    texts[100:110] = [text + "!" for text in texts[:10]]
    texts[200:205] = [""] * 5
    text = group.create_array("text", shape=(ROWS,), dtype="str", chunks=(8192,))
    text[:] = np.array(texts, np.dtypes.StringDType())
    return tmp_path / "table.zarr"


def test_cleaning_a_table_takes_little_memory_and_finds_all(table: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLEAN, str(table)], check=True, capture_output=True, text=True
    )
    told = json.loads(done.stdout)
    counts = told["counts"]
    assert counts["nonfinite"] == ROWS // 1000 - 1
    assert counts["duplicate"] == 10
    assert counts["near-duplicate"] == 10
    assert counts["broken"] == 5
    assert told["grown"] < LIMIT
