"""Runs on the real engine `cuda` with invented GPUs: each pays for its own device."""

from __future__ import annotations

import pytest
from nvml import InventedGpus

import lepton_jlab as lepton

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]

WATTS = {0: 100, 1: 300}


@pytest.fixture
def two(nvml_library, tmp_path, monkeypatch):
    """A cluster with two GPUs of constant power."""
    gpus = InventedGpus(tmp_path / "gpus", nvml_library, 2)
    for index, watts in WATTS.items():
        gpus.power(index, (0, watts), (10_000, watts), counter=index == 0)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for key, value in gpus.environment.items():
        monkeypatch.setenv(key, value)
    cluster = lepton.start_cluster("two", engine="cuda", threads=1, idle_timeout="10 min")
    yield cluster
    cluster.stop(force=True)


def test_each_run_pays_for_its_device(two):
    code = "import time; time.sleep(2.5)"
    sweep = lepton.submit(code, sweep={"x": [1, 2]}, cluster="two").wait(60)
    paid = {}
    for run in sweep:
        [index] = [int(device.removeprefix("gpu:")) for device in run.devices]
        parts = {uuid: part for uuid, part in run.cost["parts"].items() if uuid != "cpu"}
        [(uuid, part)] = parts.items()
        assert uuid == InventedGpus.uuid(index)
        assert part["energy"] == "measured"
        seconds = 3600 * part["hours"]
        assert 2.4 < seconds < 10
        assert 3600 * part["energy_wh"] / seconds == pytest.approx(WATTS[index], rel=0.02)
        paid[index] = part
    assert set(paid) == {0, 1}
