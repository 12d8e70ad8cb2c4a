"""A run records how its data came: how fast, and how long training waited."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

import lepton_jlab as lepton
from lepton_jlab.config import data_folder
from lepton_jlab.runs import Run, records
from lepton_jlab.runs.views.drawing import run_html, run_text


@pytest.mark.integration
@pytest.mark.usefixtures("light", "cluster")
def test_a_run_tells_how_its_data_came(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.arange(3000.0).reshape(-1, 3), y=np.arange(1000))
    ds = lepton.import_dataset(tmp_path / "d.npz", tmp_path / "d.zarr")
    code = """
for x, y in ds.batches(100, shuffle=True).numpy():
    pass
"""
    run = lepton.submit(code, namespace={"ds": ds})
    assert isinstance(run, Run)
    assert run.wait(60).state == "done", run.output
    (report,) = run.streams
    assert report["samples"] == 1000
    assert report["dataset"] == "d.zarr"
    assert 0 <= report["waited_share"] <= 1
    assert json.loads(json.dumps(run.to_dict()))["streams"] == [report]
    assert "samples/s, waited" in run_text(run.to_dict())
    assert "samples/s, waited" in run_html(run.to_dict(), [], [])


def test_records_of_an_earlier_version_get_the_column(no_records: None) -> None:
    before = records._SCHEMA.replace(", streams TEXT NOT NULL DEFAULT '[]'", "")
    with sqlite3.connect(data_folder() / "runs.sqlite") as old:
        old.executescript(before)
    old.close()
    assert records.rows() == []
    _, ids = records.add(
        {"name": None, "sweep": 0, "code": "", "options": {}, "brought": []}
        | {"cluster": "c", "host_pid": 1, "host_created": 0.0},
        [{}],
    )
    assert records.rows("r.id = ?", ids)[0]["streams"] == []
