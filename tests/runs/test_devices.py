"""A run's GPUs as its process and its worker see them, without a GPU."""

from __future__ import annotations

import asyncio
import os
import sys
from types import ModuleType

import pytest
from nvml import MIB

from lepton_jlab.cluster.backend import WorkerFacts
from lepton_jlab.errors import UsageError
from lepton_jlab.runs import devices
from lepton_jlab.runs.child import devices as child
from lepton_jlab.runs.child.on_import import on_import


class Context:
    """What a TensorFlow context offers about GPUs; one of them is configured by the user."""

    def __init__(self, own=None):
        self.limits = {} if own is None else {"GPU:0": own}

    def list_physical_devices(self, kind):
        return [f"{kind}:0", f"{kind}:1"]

    def get_logical_device_configuration(self, device):
        return self.limits.get(device)

    def set_logical_device_configuration(self, device, configuration):
        [self.limits[device]] = configuration


@pytest.mark.parametrize("own", [None, 77])
def test_tensorflow_gets_its_share_of_each_device(invented, monkeypatch, own):
    invented.set(0, total=8192 * MIB)
    invented.set(3, total=16384 * MIB)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    context = Context(own)
    child.share_memory(context, lambda memory_limit: memory_limit, 1 / 4)
    assert context.limits == {"GPU:0": own or 2048, "GPU:1": 4096}  # MiB


def test_an_act_waits_for_the_import_and_imports_nothing(tmp_path, monkeypatch):
    (tmp_path / "lepton_late.py").write_text("value = 1")
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    on_import("lepton_late", lambda module: seen.append(("first", module.value)))
    on_import("lepton_late", lambda module: seen.append(("second", module.value)))
    assert "lepton_late" not in sys.modules
    assert seen == []
    import lepton_late  # noqa: F401

    assert sorted(seen) == [("first", 1), ("second", 1)]
    on_import("lepton_late", lambda _module: seen.append("at once"))
    assert seen[-1] == "at once"


@pytest.mark.parametrize(("size", "pool"), [(1000, 768), (0.25, 256 * MIB)])
def test_a_pool_is_made_when_rmm_comes(invented, monkeypatch, size, pool):
    invented.set(0, total=1024 * MIB)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(child, "_set", set())
    made, rmm = [], ModuleType("rmm")
    rmm.reinitialize = lambda **options: made.append(options)
    monkeypatch.setitem(sys.modules, "rmm", rmm)
    for _ in range(2):  # a lasting child is told with each cell
        child.prepare({"rmm_pool_size": size})
    assert made == [{"pool_allocator": True, "initial_pool_size": pool}]


def test_a_run_on_several_devices_sees_them_all(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    child.prepare({"devices": ["0", "2"]})
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,2"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((None, "mixed_float61", None), "--precision mixed_float61.*Did you mean 'mixed_float16'"),
        ((0, None, None), "--gpus is 0"),
        ((2, None, "state"), "--gpus 2 and --keep state"),
        ((2, None, None, 3), "--gpus 2 and --replicas 3"),
    ],
)
def test_what_cannot_be_is_said(given, told):
    with pytest.raises(UsageError, match=told):
        devices.words_of(*given)


def facts(host, *, gpu=None, slots=1):
    metrics = {"lepton_devices": {"names": [gpu], "fault": None}} if gpu else {}
    return WorkerFacts(f"tls://{host}:{gpu}", "w", host, 1, 0, metrics, slots)


@pytest.mark.parametrize(
    ("workers", "told"),
    [
        ([facts("a"), facts("a")], "has no GPUs. Start one of GPUs"),
        ([facts("a", gpu="0"), facts("a")], "has workers without a GPU"),
        ([facts("a", gpu="MIG-1"), facts("a", gpu="MIG-2")], "one MIG device only"),
        ([facts("a", gpu="0"), facts("a", gpu="1", slots=0)], "has 1 GPU. Use --gpus 1"),
        ([facts("a", gpu="0"), facts("a", gpu="1")], None),
    ],
)
def test_a_cluster_that_has_not_the_gpus_says_so(workers, told):
    engine = "cuda" if all(worker.metrics for worker in workers) else "slurm"
    error = devices.refusal({"gpus": 2}, workers, engine, "mine")
    assert (told is None and error is None) or told in str(error)


def test_a_cluster_of_processors_hides_the_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert devices.WorkerDevices(hidden=True).environment() == {"CUDA_VISIBLE_DEVICES": "-1"}
    assert devices.WorkerDevices(hidden=True).told() is None


@pytest.mark.parametrize("under", [True, False])
def test_under_dask_cuda_the_first_device_is_the_worker_s(monkeypatch, under):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,0,1")
    monkeypatch.delitem(sys.modules, "dask_cuda", raising=False)
    if under:
        monkeypatch.setitem(sys.modules, "dask_cuda", ModuleType("dask_cuda"))
    assert devices.WorkerDevices().names == (["3"] if under else ["3", "0", "1"])


def test_a_device_that_is_lost_is_told_once(invented, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_LOOK", 0.01)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    invented.set(0, state="lost"), invented.set(1)
    lost = invented.lost_at(1, tmp_path / "lost")

    async def watch():
        told = asyncio.get_running_loop().create_future()
        own = devices.WorkerDevices()
        own.watch(told.set_result)
        await asyncio.sleep(0.05)  # the other one is none of its
        assert not told.done()
        lost.touch()
        return await asyncio.wait_for(told, 10), own.fault

    assert asyncio.run(watch()) == ("gpu:1: GPU is lost",) * 2
