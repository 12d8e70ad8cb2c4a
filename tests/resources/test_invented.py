"""The stub of NVML itself, asked through pynvml: tests of GPUs are worth what it is worth."""

from __future__ import annotations

import os
import threading
import time

import pynvml
import pytest

MIB = 2**20


@pytest.fixture
def handle(invented):
    pynvml.nvmlInit()
    invented.set(0)
    return pynvml.nvmlDeviceGetHandleByIndex(0)


def test_mig_devices_are_found_by_their_uuids(invented, handle):
    assert pynvml.nvmlDeviceGetMigMode(handle) == [0, 0]
    uuids = invented.mig(0, 5 * MIB, 10 * MIB)
    assert pynvml.nvmlDeviceGetMigMode(handle) == [1, 1]
    second = pynvml.nvmlDeviceGetHandleByUUID(uuids[1])
    assert pynvml.nvmlDeviceGetUUID(second) == uuids[1]
    assert pynvml.nvmlDeviceGetMemoryInfo(second).total == 10 * MIB
    assert pynvml.nvmlDeviceIsMigDeviceHandle(second)
    whole = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(second)
    assert pynvml.nvmlDeviceGetUUID(whole) == invented.uuid(0)
    with pytest.raises(pynvml.NVMLError_NotSupported):  # as the real one
        pynvml.nvmlDeviceGetPowerUsage(second)


def test_the_energy_counter_is_the_integral_of_the_power(invented, handle):
    start = time.time() - 100
    invented.power(0, (0, 0), (10, 100), (20, 100), counter=True, start=start)
    base = 1_000_000  # where the counter stands at the start, millijoules
    joules = (pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) - base) / 1000
    assert joules == pytest.approx(500 + 1000 + 80 * 100, abs=1000)
    assert pynvml.nvmlDeviceGetPowerUsage(handle) == 100_000
    invented.power(0, (0, 50), counter=False)
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    assert pynvml.nvmlDeviceGetPowerUsage(handle) == 50_000


def test_processes_are_told_with_their_memory_while_they_live(invented, handle):
    invented.put(0, os.getpid(), 3 * MIB)
    invented.put(0, 2**22 + 1, MIB)  # no such process can be
    [told] = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    assert (told.pid, told.usedGpuMemory) == (os.getpid(), 3 * MIB)


def test_figures_are_those_given(invented, handle):
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)
    invented.figure(0, "sm_clock", 1410)
    invented.figure(0, "nvlink_tx", 77)
    assert pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM) == 1410
    [field] = pynvml.nvmlDeviceGetFieldValues(
        handle, [pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX]
    )
    assert field.value.ullVal == 77


def test_a_device_is_lost_once_a_file_is_there_and_hangs_while_one_is(invented, handle, tmp_path):
    lost = invented.lost_at(0, tmp_path / "lost")
    hang = invented.hang_at(0, tmp_path / "hang")
    pynvml.nvmlDeviceGetMemoryInfo(handle)
    hang.touch()
    asking = threading.Thread(target=pynvml.nvmlDeviceGetMemoryInfo, args=(handle,))
    asking.start()
    asking.join(0.1)
    assert asking.is_alive()
    hang.unlink()
    asking.join(10)
    assert not asking.is_alive()
    lost.touch()
    with pytest.raises(pynvml.NVMLError_GpuIsLost):
        pynvml.nvmlDeviceGetMemoryInfo(handle)
