"""What the sampler says of GPUs: none, two, eight, one that vanishes, a driver that hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from conditions import wait_until

from lepton_jlab.resources.gpus import Gpus, look
from lepton_jlab.resources.sampler import Sampler

MIB = 2**20


def nobody():
    return {"workers": {}, "runs": {}}


@pytest.fixture
def sampler():
    started = []

    def start(usage=nobody):
        one = Sampler(usage)
        started.append(one)
        one.start(0.02)
        return one

    yield start
    for one in started:
        one.stop()


def gpus_of(sampler, count):
    """Wait until so many GPUs are told, and return them."""

    def told():
        sample = sampler.latest()
        return sample and len(sample["host"]["gpus"]) == count and sample

    return wait_until(told, 10)["host"]["gpus"]


@pytest.mark.parametrize("count", [2, 8])
def test_each_device_is_told(invented, sampler, count):
    for index in range(count):
        invented.set(
            index, use=10 * index, used=(index + 1) * MIB, watts=50 + index, celsius=40 + index
        )
    one = sampler()
    found = gpus_of(one, count)
    assert [gpu["use"] for gpu in found] == [10 * index for index in range(count)]
    last = found[-1]
    assert last["memory"] == [count * MIB, 16 * 1024 * MIB]
    assert (last["power"], last["power_limit"]) == (49 + count, 250)
    assert (last["temperature"], last["name"]) == (39 + count, f"Invented GPU {count - 1}")
    assert [gpu["uuid"][-2:] for gpu in one.gpus()] == [f"{i:02}" for i in range(count)]
    wait_until(lambda: len(one.history()["t"]) > 3)
    history = one.history()
    assert history["series"][f"gpu.{count - 1}.use"][-1] == 10 * (count - 1)
    assert history["series"]["gpu.0.memory_total"] == 16 * 1024 * MIB
    assert history["message"] is None


def test_clocks_links_faults_and_instances_are_told(invented, sampler):
    invented.set(0, use=50)
    invented.set(1)
    for name, number in {
        "sm_clock": 1410,
        "memory_clock": 1593,
        "max_sm_clock": 1980,
        "pcie_tx": 2000,
        "pcie_rx": 3000,
        "ecc_corrected": 7,
        "ecc_uncorrected": 1,
    }.items():
        invented.figure(0, name, number)
    instances = invented.mig(1, 2 * MIB, 4 * MIB)
    invented.put(1, os.getpid(), MIB, slot=1)
    one = sampler()
    wait_until(lambda: gpus_of(one, 2)[0]["pcie"], 10)  # one bus at a time
    first, second = gpus_of(one, 2)
    assert (first["clock"], first["memory_clock"], first["clock_limit"]) == (1410, 1593, 1980)
    assert first["pcie"] == [2_000_000, 3_000_000]
    assert first["ecc"] == {"corrected": 7, "uncorrected": 1}
    assert (first["mig"], first["throttled"], second["ecc"]) == (None, [], None)
    assert [one["uuid"] for one in second["mig"]] == instances
    assert [len(one["processes"]) for one in second["mig"]] == [0, 1]
    assert [process["pid"] for process in second["processes"]] == [os.getpid()]


def test_the_reasons_of_slow_clocks_are_words(monkeypatch):
    from lepton_jlab.resources import device

    told = {"nvmlDeviceGetCurrentClocksEventReasons": 0x01 | 0x04 | 0x40}
    monkeypatch.setattr(device, "maybe", lambda call, *_: told[call])
    assert device._throttled(None) == ["power cap", "hardware temperature"]


def test_what_a_device_does_not_tell_is_none(invented, sampler):
    invented.set(0, watts=0)
    [gpu] = gpus_of(sampler(), 1)
    assert gpu["power"] is None


def test_without_devices_there_is_a_sentence(invented, sampler):
    one = sampler()
    wait_until(one.latest)
    assert one.history()["message"] == "No GPU: the NVIDIA driver sees no device."
    assert one.gpus() == []


def test_without_a_driver_there_is_a_sentence():
    code = "from lepton_jlab.resources.gpus import Gpus\nprint(Gpus().read(5))"
    environment = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    if "[]" not in done.stdout:
        pytest.skip("this machine has a GPU")
    assert "No GPU: there is no NVIDIA driver on this machine." in done.stdout


def test_a_device_that_vanishes_leaves_the_others(invented, sampler):
    invented.set(0, use=10)
    invented.set(1, use=20)
    one = sampler()
    gpus_of(one, 2)
    invented.set(0, state="lost")
    [left] = gpus_of(one, 1)
    assert left["index"] == 1
    assert "GPU 0 does not answer" in one.history()["message"]
    invented.set(0, use=30)
    assert gpus_of(one, 2)[0]["use"] == 30


def test_a_driver_that_hangs_stops_no_sample_and_is_told(invented, sampler, monkeypatch):
    from lepton_jlab.resources import gpus

    monkeypatch.setattr(gpus, "_OLD", 0.1)
    invented.set(0, use=10)
    one = sampler()
    gpus_of(one, 1)
    invented.set(0, state="hung")
    gpus_of(one, 0)
    before = one.latest()["t"]
    wait_until(lambda: one.latest()["t"] > before + 0.2)  # it goes on
    assert "missing since" in one.history()["message"]
    stuck = [t for t in threading.enumerate() if t.name == "lepton-nvml" and t.is_alive()]
    assert all(thread.daemon for thread in stuck)  # they keep no process from ending


def test_who_asks_a_hanging_driver_waits_no_longer_than_it_wants(invented):
    invented.set(0, state="hung")
    reader = Gpus()
    assert [reader.read(0.05) for _ in range(3)] == [([], None)] * 3


def test_memory_on_a_gpu_is_told_by_run_and_by_kernel(invented, sampler, tmp_path):
    sleep = "import time, subprocess, sys; {}; time.sleep(60)"
    inner = f"subprocess.Popen([sys.executable, '-c', {sleep.format('print(1)')!r}])"
    run = subprocess.Popen([sys.executable, "-c", sleep.format(inner)])
    connection = str(tmp_path / "kernel-0a1b2c3d-aaaa-bbbb-cccc-0123456789ab.json")
    kernel = subprocess.Popen([sys.executable, "-c", sleep.format("pass"), "-f", connection])
    import psutil

    try:
        child = wait_until(lambda: psutil.Process(run.pid).children())[0]
        invented.set(0, used=3 * MIB)
        invented.put(0, child.pid, 2 * MIB)  # what the run has started
        invented.put(0, kernel.pid, MIB)
        used = {"cpu": 50.0, "memory": 10, "pid": run.pid}
        one = sampler(lambda: {"workers": {}, "runs": {"r17": used}})
        gpus_of(one, 1)
        sample = wait_until(lambda: (s := one.latest())["runs"] and s)
        told = {p["pid"]: p for p in sample["host"]["gpus"][0]["processes"]}
        assert (told[child.pid]["run"], told[child.pid]["kernel"]) == ("r17", None)
        assert told[kernel.pid]["run"] is None
        assert told[kernel.pid]["kernel"].startswith("0a1b2c3d")
        assert sample["runs"]["r17"] == {"cpu": 50.0, "memory": 10, "gpu_memory": 2 * MIB}
    finally:
        for process in (*psutil.Process(run.pid).children(), run, kernel):
            process.kill()
        run.wait(), kernel.wait()


def test_a_single_look_leaves_no_thread_and_waits_for_no_driver_that_hangs(invented):
    invented.set(0, use=10)
    before = set(threading.enumerate())
    devices, message = look(5)
    assert ([one["use"] for one in devices], message) == ([10], None)
    assert set(threading.enumerate()) <= before
    invented.set(0, state="hung")
    devices, message = look(0.05)
    assert (devices, message[:48]) == ([], "The NVIDIA driver does not answer within 0.05 s;")
