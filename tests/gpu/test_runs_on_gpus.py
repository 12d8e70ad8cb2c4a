"""Runs on real GPUs: what they see, what they take, and what is left when they end."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from conditions import wait_until

import lepton_jlab as lepton

from .conftest import smi, used

GIB = 2**30
SLACK = 64 * 2**20  # bytes that the driver itself takes now and then

pytestmark = pytest.mark.usefixtures("light")


def start(name, **options):
    return lepton.start_cluster(name, engine="cuda", gpus="0", idle_timeout="10 min", **options)


@pytest.fixture(scope="module")
def base():
    return used()


@pytest.fixture(scope="module")
def cluster(light, base):
    started = start("gpu")
    yield started
    started.stop(force=True)


def submit(code, **more):
    return lepton.submit(code, cluster="gpu", **more)


HOLD = """
import os, time
import cupy
block = cupy.ones({gib} * 2**30, cupy.uint8)
cupy.cuda.Device().synchronize()
Path({file!r}).write_text(str(os.getpid()))
{then}
"""


def test_workers_hold_no_context(cluster, base):
    assert [w["devices"] for w in cluster.info()["workers"]] == [["gpu:0"]]
    assert used() - base < SLACK


def test_a_run_sees_its_device_and_computes_on_it(cluster):
    pytest.importorskip("cupy")
    code = """
import cupy
count = cupy.cuda.runtime.getDeviceCount()
uuid = str(cupy.cuda.runtime.getDeviceProperties(0)["uuid"].hex())
x = cupy.arange(1_000_000, dtype=cupy.float64)
total = float((x * x).sum())
"""
    run = submit(code, pull=["count", "uuid", "total"]).wait(120)
    assert run.state == "done", run.error
    assert run.devices == ["gpu:0"]
    assert run.values["count"] == 1
    assert run.values["total"] == pytest.approx(sum(i * i for i in range(1_000_000)))
    assert run.values["uuid"] == smi("uuid").removeprefix("GPU-").replace("-", "")


@pytest.mark.parametrize("end", ["killed", "cancelled", "segmentation fault", "done"])
def test_memory_is_free_when_a_run_ends_however_it_ends(cluster, base, tmp_path, figure, end):
    pytest.importorskip("cupy")
    file = tmp_path / "pid"
    then = {
        "segmentation fault": "import ctypes; time.sleep(1); ctypes.string_at(0)",
        "done": "time.sleep(1)",
    }.get(end, "time.sleep(120)")
    run = submit(HOLD.format(gib=2, file=str(file), then=then))
    wait_until(file.exists, 60)
    pid = int(file.read_text())
    assert used() - base > 2 * GIB
    began = time.monotonic()
    if end == "killed":
        os.kill(pid, signal.SIGKILL)
    elif end == "cancelled":
        run.cancel()
    else:
        run.wait(60)
        began = time.monotonic()
    wait_until(lambda: used() - base < SLACK, 30)
    seconds = time.monotonic() - began
    figure(f"memory back, {end}", f"{seconds:.2f} s")
    assert end != "killed" or seconds < 2
    run.wait(60)


def test_sampling_agrees_with_nvidia_smi_under_load(cluster, figure, tmp_path):
    pytest.importorskip("cupy")
    from lepton_jlab.resources.gpus import Gpus

    code = HOLD.format(
        gib=1,
        file=str(tmp_path / "pid"),
        then="""
x = cupy.random.rand(4096, 4096, dtype=cupy.float32)
end = time.time() + 20
while time.time() < end:
    x = x @ x
    x /= x.max()
    cupy.cuda.Device().synchronize()
""",
    )
    run = submit(code)
    gpus = Gpus()
    wait_until((tmp_path / "pid").exists, 60)
    wait_until(lambda: gpus.read(5)[0][0]["use"] > 50, 20)
    pairs = []
    for _ in range(5):
        said = smi("utilization.gpu,memory.used,power.draw,temperature.gpu").split(", ")
        [one, *_], _ = gpus.read(5)
        memory = one["memory"][0] / 2**20
        own = (one["use"], memory, one["power"], one["temperature"])
        pairs.append([(float(theirs), mine) for theirs, mine in zip(said, own, strict=True)])
        time.sleep(1)
    mean = [[sum(p[i][side] for p in pairs) / len(pairs) for side in (0, 1)] for i in range(4)]
    figure("nvidia-smi and sampled: use %, memory MiB, power W, °C", json.dumps(mean))
    for (theirs, mine), close in zip(mean, (10, 32, 25, 3), strict=True):
        assert abs(theirs - mine) <= close
    pid = int((tmp_path / "pid").read_text())
    [process] = [p for p in gpus.read(5)[0][0]["processes"] if p["pid"] == pid]
    assert process["memory"] is None or process["memory"] > GIB  # hidden in some containers
    run.cancel()
    run.wait(60)
    assert run.to_dict()["cost"]["energy"] == "measured"


def test_rmm_begins_with_a_pool(light, base):
    pytest.importorskip("rmm")
    cluster = start("pool", rmm_pool_size="1GiB")
    try:
        assert used() - base < SLACK  # nobody has imported it
        code = """
import rmm
kind = type(rmm.mr.get_current_device_resource()).__name__
"""
        run = lepton.submit(code, pull=["kind"], cluster="pool").wait(120)
        assert run.values["kind"] == "PoolMemoryResource"
    finally:
        cluster.stop(force=True)


def test_tensorflow_has_its_share_of_a_shared_gpu(light, figure):
    tensorflow = pytest.importorskip("tensorflow")
    if not tensorflow.test.is_built_with_cuda():
        pytest.skip("this TensorFlow is built without CUDA")
    cluster = start("shared", slots_per_gpu=2)
    total = int(smi("memory.total"))  # MiB
    code = f"""
import tensorflow as tf
device, *others = tf.config.list_physical_devices("GPU")
small = tf.zeros([{total // 4}, 2**20], tf.uint8)
limit = tf.config.get_logical_device_configuration(device)[0].memory_limit
try:
    large = tf.zeros([{total * 3 // 4}, 2**20], tf.uint8)
    refused = False
except tf.errors.ResourceExhaustedError:
    refused = True
"""
    try:
        runs = lepton.submit(code, repeat=2, pull=["limit", "refused"], cluster="shared")
        runs.wait(240)
        for run in runs:
            assert run.state == "done", run.error
            assert run.values["limit"] == pytest.approx(total / 2, rel=0.02)
            assert run.values["refused"]
    finally:
        cluster.stop(force=True)


def test_two_gpus_are_seen_by_one_run(light):
    from lepton_jlab.cluster.engines.cuda import gpu_count

    pytest.importorskip("cupy")
    if gpu_count() < 2:
        pytest.skip("this machine has one GPU")
    cluster = lepton.start_cluster("pair", engine="cuda", idle_timeout="10 min")
    try:
        code = "import cupy\ncount = cupy.cuda.runtime.getDeviceCount()"
        run = lepton.submit(code, gpus=2, pull=["count"], cluster="pair").wait(120)
        assert run.values["count"] == 2
        assert len(set(run.devices)) == 2
    finally:
        cluster.stop(force=True)
