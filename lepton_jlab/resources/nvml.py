"""NVML in few words: what a device does not support is None, what it has lost raises."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

_SLICES = 7  # compute slices of a GPU that is cut by MIG


def maybe(call: str, *arguments: Any) -> Any:
    """Return what NVML says, None for what this device does not support; a lost one raises."""
    import pynvml

    unsupported = (
        pynvml.NVMLError_NotSupported,
        pynvml.NVMLError_FunctionNotFound,
        pynvml.NVMLError_NoPermission,
        pynvml.NVMLError_NotFound,
        pynvml.NVMLError_InvalidArgument,
    )
    try:
        return getattr(pynvml, call)(*arguments)
    except unsupported:
        return None


def text(value: Any) -> str:
    """Return what NVML says in bytes or in text."""
    return value.decode() if isinstance(value, bytes) else str(value or "")


def joules(handle: Any) -> float | None:
    """Return the energy that a device has used since its driver was loaded; None if untold."""
    told = maybe("nvmlDeviceGetTotalEnergyConsumption", handle)
    return None if told is None else float(told) / 1000


def watts(handle: Any) -> float | None:
    """Return the power that a device draws; None if untold."""
    told = maybe("nvmlDeviceGetPowerUsage", handle)
    return None if told is None else float(told) / 1000


def processes(handle: Any) -> list[Document]:
    """Return the processes on a device; their memory (bytes) is None where the driver hides it."""
    found: dict[int, Document] = {}
    for call in ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses"):
        for process in maybe(call, handle) or ():
            known = found.setdefault(process.pid, {"pid": process.pid, "memory": None})
            if process.usedGpuMemory is not None:
                known["memory"] = (known["memory"] or 0) + process.usedGpuMemory
    return list(found.values())


def use_by_process(handle: Any, since: int) -> tuple[dict[int, float], int]:
    """Return the use of a device by each process (percent), and the time of the last sample.

    Parameters
    ----------
    since
        Microseconds since 1970: samples before are left out, 0 for all that the driver keeps.
    """
    import pynvml

    sums: dict[int, list[int]] = {}
    try:
        told = pynvml.nvmlDeviceGetProcessUtilization(handle, since)
    except pynvml.NVMLError:  # also where there is no process: pynvml makes an error of that
        told = ()
    for sample in told:
        since = max(since, int(sample.timeStamp))
        sums.setdefault(int(sample.pid), []).append(int(sample.smUtil))
    return {pid: sum(told) / len(told) for pid, told in sums.items()}, since


def device(name: str) -> tuple[Any, Any, float]:
    """Find a device as ``CUDA_VISIBLE_DEVICES`` names it: a number, ``GPU-…`` or ``MIG-…``.

    Returns
    -------
    tuple
        Its handle, that of the GPU whose power it shares, and which share of it that is: of an
        instance of MIG its compute slices.
    """
    import pynvml

    if name.isdecimal():
        handle = pynvml.nvmlDeviceGetHandleByIndex(int(name))
    else:
        handle = pynvml.nvmlDeviceGetHandleByUUID(name)
    if not name.startswith("MIG-"):
        return handle, handle, 1.0
    parent = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
    slices = getattr(maybe("nvmlDeviceGetAttributes", handle), "gpuInstanceSliceCount", 0)
    most = maybe("nvmlDeviceGetMaxMigDeviceCount", parent) or _SLICES
    return handle, parent, (slices or 1) / most


def instances(handle: Any) -> list[Document] | None:
    """Return the MIG instances of a GPU: ``uuid``, ``name``, ``memory`` (bytes), ``processes``.

    None where it is not cut.
    """
    mode = maybe("nvmlDeviceGetMigMode", handle)
    if not mode or not mode[0]:
        return None
    found = []
    for index in range(maybe("nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        one = maybe("nvmlDeviceGetMigDeviceHandleByIndex", handle, index)
        if one is None:
            continue
        memory = maybe("nvmlDeviceGetMemoryInfo", one)
        found.append(
            {
                "uuid": text(maybe("nvmlDeviceGetUUID", one)),
                "name": text(maybe("nvmlDeviceGetName", one)),
                "memory": None if memory is None else [memory.used, memory.total],
                "processes": processes(one),
            }
        )
    return found
