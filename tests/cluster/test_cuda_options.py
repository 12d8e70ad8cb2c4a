"""What engine `cuda` takes, and which devices it finds."""

from __future__ import annotations

import asyncio

import pytest
from nvml import MIB

from lepton_jlab.cluster.engines import cuda
from lepton_jlab.cluster.options.cuda import check
from lepton_jlab.errors import ClusterError, MissingDependencyError, UsageError


@pytest.mark.parametrize(
    ("given", "checked"),
    [
        ({"gpus": "all"}, {"gpus": []}),
        ({"gpus": "0,1"}, {"gpus": ["0", "1"]}),
        ({"gpus": [2, 3]}, {"gpus": ["2", "3"]}),
        ({"gpus": ["MIG-00000000-0000-0000-0001-000000000000"]}, None),
        ({"slots_per_gpu": 4}, None),
        ({"device_memory_limit": "16GB"}, {"device_memory_limit": 16_000_000_000}),
        ({"device_memory_limit": "0.8"}, {"device_memory_limit": 0.8}),
        ({"device_memory_limit": "0"}, {"device_memory_limit": 0}),
        ({"device_memory_limit": "auto"}, None),
        ({"protocol": "tls"}, {}),
        ({"enable_cudf_spill": False}, {}),
    ],
)
def test_words_become_what_the_engine_takes(given, checked):
    assert check(given) == (given if checked is None else checked)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"gpus": "0,first"}, "'first' is no device"),
        ({"gpus": "1,1"}, "1 is there twice. --slots-per-gpu"),
        ({"slots_per_gpu": 0}, "from 1 to 64"),
        ({"device_memory_limit": "much"}, "--device-memory-limit 'much' is not a size"),
        ({"protocol": "ucx"}, "every connection of a Lepton cluster is encrypted"),
        ({"rmm_pool_size": "0.6", "slots_per_gpu": 2}, "would take 1.2 of its memory. Give 0.5"),
    ],
)
def test_what_cannot_be_is_said(given, told):
    with pytest.raises(UsageError, match=told.replace(".", r"\.")):
        check(given)


@pytest.mark.parametrize(
    ("option", "value", "module"),
    [("rmm_pool_size", "8GB", "rmm"), ("enable_cudf_spill", True, "cudf")],
)
def test_a_library_that_is_missing_is_named_with_its_install_line(option, value, module):
    pytest.importorskip("dask_cuda")
    if cuda.gpu_count():
        pytest.skip("it may be installed where there is a GPU")
    with pytest.raises(MissingDependencyError, match=rf"{module}, which .*lepton_jlab\[rapids\]"):
        check({option: value})


def test_devices_go_by_number_and_beside_mig_all_by_uuid(invented):
    invented.set(0), invented.set(1)
    assert list(cuda.devices()) == [0, 1]
    instances = invented.mig(0, MIB, MIB)
    there = cuda.devices()
    assert list(there) == [invented.uuid(1), *instances]
    assert len({type(name) for name in there}) == 1  # or dask-cuda cannot sort them
    assert cuda.choose(["1"], there) == [invented.uuid(1)]
    assert cuda.choose([instances[1][:-1]], there) == [instances[1]]  # as CUDA, by its beginning
    with pytest.raises(ClusterError, match="there is no device 0 on this machine"):
        cuda.choose(["0"], there)  # it is divided
    with pytest.raises(ClusterError, match="twice, by its number and by its UUID"):
        cuda.choose(["1", invented.uuid(1)], there)


@pytest.mark.parametrize(
    ("shown", "found"), [(None, True), ("0", True), ("", False), ("-1", False), ("-1,0", False)]
)
def test_a_user_s_own_cuda_visible_devices_holds(invented, monkeypatch, shown, found):
    invented.set(0)
    if shown is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert asyncio.run(cuda.has_gpu()) is found


def test_a_driver_that_hangs_counts_as_none(invented, monkeypatch, tmp_path):
    monkeypatch.setattr(cuda, "_PATIENCE", 0.1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    invented.set(0)
    hang = invented.hang_at(0, tmp_path / "hang")
    hang.touch()
    with pytest.raises(TimeoutError):
        asyncio.run(cuda._ask_driver(cuda.devices))  # it looks at each device
    hang.unlink()
