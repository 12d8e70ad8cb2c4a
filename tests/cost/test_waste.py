"""What idle GPUs cost since the last run, and what storage saves."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

import lepton_jlab as lepton
from lepton_jlab.cost.prices import Prices
from lepton_jlab.cost.waste import idle_gpus, saved

PRICES = Prices(electricity=0.5, gpu_hour={"Invented": 2.0})


def gpu(index, use):
    return {"index": index, "uuid": f"GPU-{index}", "name": "Invented", "use": use, "power": 100.0}


def test_a_gpu_that_rests_has_cost_its_hours_and_energy_since_the_last_run():
    now = time.time()
    devices = [gpu(index, 0) for index in range(3)]
    told = idle_gpus(devices, {"GPU-0": now - 7200, "GPU-1": math.inf}, now - 3600, PRICES)
    first, other = told  # a run is on GPU 1
    assert (first["index"], other["index"]) == (0, 2)
    assert first["hours"] == pytest.approx(2, rel=0.01)
    assert first["energy_wh"] == pytest.approx(200, rel=0.01)
    assert first["money"] == pytest.approx(2 * 2.0 + 0.2 * 0.5, rel=0.01)
    assert other["since"] == now - 3600  # none was on it: since the last run anywhere


def test_a_gpu_that_works_or_does_not_say_is_not_wasted():
    assert idle_gpus([gpu(0, 60), gpu(1, None)], {}, time.time() - 3600, PRICES) == []
    assert idle_gpus([gpu(0, 0)], {}, None, PRICES) == []  # nothing ever ran


def test_what_compression_saves_is_told_in_money(tmp_path):
    assert saved(tmp_path) is None
    np.savez(tmp_path / "x.npz", x=np.zeros((1000, 100), "f4"))
    lepton.import_dataset(str(tmp_path / "x.npz"), str(tmp_path / "x.zarr"))
    told = saved(tmp_path)
    assert told["datasets"] == 1
    assert 300_000 < told["compression"]["bytes"] < 400_000
    assert told["money_per_month"] == pytest.approx(
        sum(told[step]["money_per_month"] for step in ("compression", "deduplication", "tiers"))
    )
