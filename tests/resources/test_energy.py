"""Energy: right against a known curve, divided by who uses a device, and never in the way."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time

import pytest
from conditions import wait_until

from lepton_jlab.resources.energy import EnergyMeter
from lepton_jlab.resources.rapl import Rapl

CURVE = ((0.0, 100.0), (2.5, 180.0), (4.0, 165.0), (60.0, 300.0))


def joules(begin, end):
    """Integrate the curve from `begin` to `end` seconds."""
    total, steps = 0.0, 2000
    for step in range(steps):
        t = begin + (step + 0.5) * (end - begin) / steps
        for (t0, p0), (t1, p1) in itertools.pairwise(CURVE):
            if t0 <= t < t1:
                total += (p0 + (p1 - p0) * (t - t0) / (t1 - t0)) * (end - begin) / steps
    return total


def account(meter, *devices, pids=(), spent=lambda: 0.0):
    return meter.open(spent, lambda: pids, devices)


@pytest.fixture
def meter(tmp_path):
    return EnergyMeter(interval=1.0, rapl=Rapl(tmp_path))


@pytest.mark.parametrize("counter", [True, False])
def test_sums_at_1_hz_are_within_2_percent_of_the_curve(invented, meter, counter):
    start = invented.power(0, *CURVE, counter=counter)
    one = account(meter, "0")
    meter.look(5)
    begin = time.time() - start
    time.sleep(5.2)  # the curve is a function of the clock
    end = time.time() - start
    told = asyncio.run(meter.close(one))["gpus"][invented.uuid(0)]
    assert told["how"] == ("counter" if counter else "power")
    assert told["joules"] == pytest.approx(joules(begin, end), rel=0.02)
    assert told["seconds"] == pytest.approx(end - begin, rel=0.05)


@pytest.fixture
def sleepers():
    """Four processes that live as long as the test."""
    started = [subprocess.Popen(["sleep", "100"]) for _ in range(4)]
    yield [one.pid for one in started]
    for one in started:
        one.kill()
        one.wait()


def parts(meter, uuid, *accounts):
    """Return what accounts paid of a device between now and a second later."""
    meter.look(5)
    before = [one.used()["gpus"][uuid]["joules"] if one.parts else 0.0 for one in accounts]
    time.sleep(1.0)
    meter.look(5)
    after = [one.used()["gpus"][uuid]["joules"] for one in accounts]
    return [b - a for a, b in zip(before, after, strict=True)]


def test_runs_that_share_a_device_pay_by_their_use(invented, meter, sleepers):
    invented.power(0, (0, 100), (1000, 100), counter=True)
    for pid, use in zip(sleepers[:3], (60, 20, 20), strict=True):  # the third is somebody else's
        invented.put(0, pid, 2**20, use=use)
    one, other = (account(meter, "0", pids=[pid]) for pid in sleepers[:2])
    paid, less = parts(meter, invented.uuid(0), one, other)
    assert paid / less == pytest.approx(3, rel=0.01)
    assert 0.75 * (paid + less) / 0.8 < 110  # a second at 100 W, of which 80 % are theirs


def test_without_their_use_runs_pay_by_processes(invented, meter, sleepers):
    invented.power(0, (0, 100), (1000, 100), counter=True)
    for pid in sleepers:
        invented.put(0, pid, 2**20)
    one, other = account(meter, "0", pids=sleepers[:3]), account(meter, "0", pids=sleepers[3:])
    paid, less = parts(meter, invented.uuid(0), one, other)
    assert paid / less == pytest.approx(3, rel=0.01)


def test_who_holds_a_device_alone_pays_for_its_rest_and_each_for_its_own(invented, meter):
    invented.power(0, (0, 30), (1000, 30), counter=True)
    invented.power(1, (0, 90), (1000, 90), counter=True)
    one, other = account(meter, "0"), account(meter, invented.uuid(1))
    time.sleep(0.5)
    meter.look(5)
    assert set(one.used()["gpus"]) == {invented.uuid(0)}
    assert set(other.used()["gpus"]) == {invented.uuid(1)}
    rest = one.used()["gpus"][invented.uuid(0)]
    assert rest["joules"] / rest["seconds"] == pytest.approx(30, rel=0.02)


def test_an_instance_pays_for_its_slices_of_the_gpu(invented, meter):
    invented.power(0, (0, 140), (1000, 140), counter=True)
    [uuid, _] = invented.mig(0, 2**30, 2**30)
    one = account(meter, uuid)
    time.sleep(0.5)
    meter.look(5)
    [(told, part)] = one.used()["gpus"].items()
    assert told == uuid
    watts = part["joules"] / part["seconds"]
    assert 140 / 8 - 1 < watts < 140 / 2 + 1


def test_a_device_that_is_lost_leaves_what_it_has_used(invented, meter, tmp_path):
    invented.power(0, (0, 100), (1000, 100), counter=True)
    lost = invented.lost_at(0, tmp_path / "lost")
    one = account(meter, "0")
    time.sleep(0.3)
    meter.look(5)
    lost.touch()
    meter.look(5)
    before = one.used()["gpus"]
    meter.look(5)
    assert asyncio.run(meter.close(one))["gpus"] == before
    assert before[invented.uuid(0)]["joules"] > 10


def test_a_driver_that_hangs_holds_up_no_end_and_its_part_is_estimated(
    invented, meter, tmp_path, monkeypatch
):
    from lepton_jlab.resources import energy

    monkeypatch.setattr(energy, "_STALE", 0.3)
    monkeypatch.setattr(energy, "_PATIENCE", 0.1)
    invented.power(0, (0, 100), (1000, 100), counter=True)
    one = account(meter, "0")
    time.sleep(0.3)
    meter.look(5)
    hanging = invented.hang_at(0, tmp_path / "hang")
    hanging.touch()
    try:
        time.sleep(0.5)
        told = asyncio.run(meter.close(one))["gpus"][invented.uuid(0)]
        assert told["how"] == "held"
        assert told["joules"] / told["seconds"] == pytest.approx(100, rel=0.1)
    finally:
        hanging.unlink()


def test_without_devices_and_counters_there_is_no_thread(meter):
    one = meter.open(time.process_time, lambda: [os.getpid()])
    assert meter._thread is None
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    used = asyncio.run(meter.close(one))
    assert used["cpu"]["core_seconds"] >= 0.05
    assert (used["cpu"]["joules"], used["gpus"]) == (None, {})


def package(folder, number, joules, name="package-0", room=1000):
    zone = folder / f"intel-rapl:{number}"
    zone.mkdir(exist_ok=True)
    (zone / "name").write_text(name)
    (zone / "max_energy_range_uj").write_text(str(int(room * 1e6)))
    (zone / "energy_uj").write_text(str(int(joules * 1e6)))


def test_packages_are_added_up_and_their_counters_begin_anew(tmp_path):
    package(tmp_path, 0, 990)
    package(tmp_path, 1, 10, name="package-1")
    package(tmp_path, 2, 500, name="psys")  # has the others in it
    package(tmp_path, "0:0", 5, name="core")
    counted = Rapl(tmp_path)
    package(tmp_path, 0, 5)
    package(tmp_path, 1, 30, name="package-1")
    package(tmp_path, 2, 900, name="psys")
    assert counted.joules() == pytest.approx(15 + 20, abs=0.01)
    assert not Rapl(tmp_path / "none")


def test_a_run_pays_the_processor_by_its_part_of_all_processor_time(tmp_path, monkeypatch):
    from lepton_jlab.resources import energy

    busy, spent = [100.0], [3.0]
    monkeypatch.setattr(energy, "_busy", lambda: busy[0])
    package(tmp_path, 0, 0)
    meter = EnergyMeter(interval=60, rapl=Rapl(tmp_path))
    one = account(meter, spent=lambda: spent[0])
    meter.look(5)
    busy[0], spent[0] = 108.0, 5.0  # a quarter of it is the run's
    package(tmp_path, 0, 40)
    used = asyncio.run(meter.close(one))["cpu"]
    assert used == {"core_seconds": 2.0, "joules": pytest.approx(10)}


def test_processes_that_a_run_has_started_count_also_after_their_end():
    from lepton_jlab.runs.meter import ProcessMeter

    busy = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    inner = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {busy!r}])"
    process = subprocess.Popen([sys.executable, "-c", f"{inner}; input()"], stdin=subprocess.PIPE)
    try:
        meter = ProcessMeter(process.pid)
        wait_until(lambda: meter.spent() >= 0.3, 30)
    finally:
        process.kill()
        process.wait()
    assert meter.spent() >= 0.3  # by what was seen last
    meter.said(99.0)
    assert meter.spent() >= 99.0
