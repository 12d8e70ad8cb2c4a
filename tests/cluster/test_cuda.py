"""Engine `cuda` with the real dask-cuda and pynvml, on invented GPUs."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from conditions import wait_until
from nvml import MIB, InventedGpus

import lepton_jlab as lepton
from lepton_jlab.errors import ClusterError

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]

SEEN = """
import os, time
begun = time.time()
time.sleep({seconds})
seen = {{name: os.environ.get(name) for name in
        ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "TF_FORCE_GPU_ALLOW_GROWTH")}}
seen |= {{"begun": begun, "ended": time.time(), "cpus": sorted(os.sched_getaffinity(0))}}
"""


@contextmanager
def started(gpus: InventedGpus, name: str, **options):
    """A cluster whose processes see these GPUs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        for key, value in gpus.environment.items():
            patch.setenv(key, value)
        cluster = lepton.start_cluster(name, threads=1, idle_timeout="10 min", **options)
    try:
        yield cluster
    finally:
        cluster.stop(force=True)


@pytest.fixture(scope="module")
def eight(light, nvml_library, tmp_path_factory):
    """Eight GPUs; the last one is tied to processor 0."""
    folder = tmp_path_factory.mktemp("eight")
    gpus = InventedGpus(folder / "gpus", nvml_library, 8)
    gpus.figure(7, "cpus", 1)
    for index in range(8):
        gpus.lost_at(index, folder / f"lost-{index}")
    return gpus


@pytest.fixture(scope="module")
def cluster(eight):
    with started(eight, "eight", engine="auto", memory="2GiB") as one:
        yield one


def look(seconds: float = 0.0, **more):
    return lepton.submit(SEEN.format(seconds=seconds), pull=["seen"], cluster="eight", **more)


def workers(cluster):
    return {worker["id"]: worker for worker in cluster.info()["workers"]}


def test_there_is_a_worker_for_each_gpu(cluster):
    info = cluster.info()
    assert info["engine"] == "cuda"
    assert [w["devices"] for w in info["workers"]] == [[f"gpu:{i}"] for i in range(8)]
    assert {(w["slots"], w["fault"], w["run"]) for w in info["workers"]} == {(1, None, None)}


def test_each_of_24_runs_has_a_device_for_itself(cluster):
    processors = sorted(os.sched_getaffinity(0))
    runs = look(0.5, sweep={"number": list(range(24))})
    runs.wait()
    assert [run.state for run in runs] == ["done"] * 24
    spans = defaultdict(list)
    for run in runs:
        seen = run.values["seen"]
        [device] = run.devices
        assert device == f"gpu:{seen['CUDA_VISIBLE_DEVICES']}"
        assert seen["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
        assert seen["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
        assert seen["cpus"] == ([0] if device == "gpu:7" else processors)
        spans[device].append((seen["begun"], seen["ended"]))
    assert sorted(spans) == [f"gpu:{index}" for index in range(8)]
    for times in spans.values():
        times.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(times))


def test_a_run_may_have_several_gpus(cluster):
    pair, others = look(0.5, gpus=2), look(0.5, repeat=6)
    both = pair.wait().values["seen"]["CUDA_VISIBLE_DEVICES"].split(",")
    assert pair.devices == [f"gpu:{number}" for number in both]
    assert len(set(both)) == 2
    others.wait()
    begun, ended = (pair.values["seen"][key] for key in ("begun", "ended"))
    meanwhile = [
        run.devices[0]
        for run in others
        if run.values["seen"]["begun"] < ended and run.values["seen"]["ended"] > begun
    ]
    assert not set(meanwhile) & set(pair.devices)


def test_more_gpus_than_there_are_is_one_clear_error(cluster):
    with pytest.raises(ClusterError, match=r"--gpus 9: cluster 'eight' has 8 GPUs\. Use --gpus 8"):
        look(gpus=9)
    with pytest.raises(ClusterError, match="Cannot scale to 9 workers: it has 8 GPUs"):
        cluster.scale(9)
    assert len(cluster.info()["workers"]) == 8


def test_a_run_whose_gpu_is_lost_goes_on_elsewhere(cluster, eight):
    once, again = look(60), look(3, retries=1)
    wait_until(lambda: once.state == again.state == "running" and once.devices and again.devices)
    first = {once: once.devices[0], again: again.devices[0]}
    assert first[once] != first[again]
    for device in first.values():
        Path(eight.lines["lost", int(device.removeprefix("gpu:"))].split()[-1]).touch()
    once.wait(timeout=60)
    assert (once.state, once.error["kind"]) == ("failed", "worker-lost")
    assert once.error["message"] == f"{first[once]}: GPU is lost, while this ran on it"
    again.wait(timeout=60)
    assert again.state == "done"
    assert again.devices[0] not in first.values()
    lost = {device.removeprefix("gpu:") for device in first.values()}
    told = wait_until(
        lambda: (w := workers(cluster)) and all(w[name]["fault"] for name in lost) and w
    )
    assert {name for name, worker in told.items() if worker["fault"]} == lost
    assert {told[name]["slots"] for name in lost} == {0}
    later = look(repeat=12)
    later.wait()
    assert not {run.devices[0] for run in later} & set(first.values())
    with pytest.raises(ClusterError, match="has 6 GPUs"):
        look(gpus=7)


@pytest.fixture(scope="module")
def divided(light, nvml_library, tmp_path_factory):
    """Two GPUs, the second in two by MIG, and two slots on each device."""
    folder = tmp_path_factory.mktemp("divided")
    gpus = InventedGpus(folder / "gpus", nvml_library, 2)
    gpus.set(0)
    gpus.mig(1, 5 * 1024 * MIB, 5 * 1024 * MIB)
    gpus.hang_at(0, folder / "hang")
    with started(gpus, "divided", engine="cuda", slots_per_gpu=2, memory="2GiB") as cluster:
        yield gpus, cluster


def test_mig_devices_are_workers_by_their_uuids_and_share_their_slots(divided):
    gpus, cluster = divided
    names = [gpus.uuid(0), *gpus.mig(1, 5 * 1024 * MIB, 5 * 1024 * MIB)]
    assert sorted(w["devices"][0] for w in cluster.info()["workers"]) == sorted(names)
    runs = lepton.submit(SEEN.format(seconds=3), pull=["seen"], repeat=6, cluster="divided")
    full = wait_until(
        lambda: (w := cluster.info()["workers"]) and all(len(x["runs"]) == 2 for x in w) and w
    )
    assert all(worker["run"] == worker["runs"][0] for worker in full)
    assert sorted(run for worker in full for run in worker["runs"]) == sorted(r.id for r in runs)
    runs.wait()
    for run in runs:
        assert run.devices == [run.values["seen"]["CUDA_VISIBLE_DEVICES"]]
    assert sorted(run.devices[0] for run in runs) == sorted(names * 2)


def test_a_process_can_use_one_mig_device_only(divided):
    with pytest.raises(ClusterError, match="one MIG device only"):
        lepton.submit("pass", gpus=2, cluster="divided")


def test_a_driver_that_hangs_holds_up_no_run(divided):
    gpus, cluster = divided
    hang = Path(gpus.lines["hang", 0].split()[-1])
    hang.touch()
    try:
        runs = lepton.submit("pass", repeat=6, cluster="divided")
        runs.wait(timeout=60)
        assert {run.state for run in runs} == {"done"}
        assert not any(worker["fault"] for worker in cluster.info()["workers"])
    finally:
        hang.unlink()
