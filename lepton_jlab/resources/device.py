"""One GPU as the sampler reads it: use, memory, power, clocks, links, faults, processes."""

from __future__ import annotations

import time
from typing import Any

from lepton_jlab.resources import nvml
from lepton_jlab.resources.nvml import Document, maybe, text

_SELDOM = 10.0  # seconds between two looks at what seldom changes

# Why the clocks are lower than they could be; idle and what a user has set are no news.
_REASONS = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "temperature",
    0x40: "hardware temperature",
    0x80: "power brake",
}


class Device:
    """A GPU, by its handle.

    Parameters
    ----------
    index
        Its number.
    handle
        What NVML calls it.
    """

    def __init__(self, index: int, handle: Any) -> None:
        import pynvml

        limit = maybe("nvmlDeviceGetEnforcedPowerLimit", handle)
        self._handle = handle
        self._facts: Document = {
            "index": index,
            "name": text(maybe("nvmlDeviceGetName", handle)),
            "uuid": text(maybe("nvmlDeviceGetUUID", handle)),
            "power_limit": None if limit is None else limit / 1000,
            "clock_limit": maybe("nvmlDeviceGetMaxClockInfo", handle, pynvml.NVML_CLOCK_SM),
        }
        self._seldom: Document = {}
        self._looked = 0.0
        self._pcie: list[int] | None = None
        self._linked: tuple[float, list[int]] | None = None

    def read(self, pcie: bool = False) -> Document:
        """Return what it does now.

        Parameters
        ----------
        pcie
            Also measure its bus, for which the driver takes 40 ms; else the last figures stand.

        Raises
        ------
        NVMLError
            The device is lost.
        """
        import pynvml

        handle = self._handle
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        use = maybe("nvmlDeviceGetUtilizationRates", handle)
        if pcie:
            self._pcie = _bus(handle)
        if not self._seldom or time.monotonic() - self._looked > _SELDOM:
            self._looked = time.monotonic()
            self._seldom = {"ecc": _faults(handle), "mig": nvml.instances(handle)}
        mig = nvml.instances(handle) if self._seldom["mig"] else None
        parts = [process for one in mig or () for process in one["processes"]]
        processes = {one["pid"]: one for one in (*nvml.processes(handle), *parts)}
        return {
            **self._facts,
            "use": None if use is None else use.gpu,
            "memory": [memory.used, memory.total],
            "power": nvml.watts(handle),
            "energy": nvml.joules(handle),
            "temperature": maybe("nvmlDeviceGetTemperature", handle, pynvml.NVML_TEMPERATURE_GPU),
            "clock": maybe("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_SM),
            "memory_clock": maybe("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_MEM),
            "throttled": _throttled(handle),
            "pcie": self._pcie,
            "nvlink": self._links(),
            **self._seldom,
            "mig": mig,
            "processes": list(processes.values()),
        }

    def _links(self) -> list[int] | None:
        """Return the bytes a second that went out and came in over NVLink since the last look."""
        import pynvml

        fields = [
            (pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, 0xFFFFFFFF),  # all links together
            (pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, 0xFFFFFFFF),
        ]
        told = maybe("nvmlDeviceGetFieldValues", self._handle, fields)
        if not told or any(one.nvmlReturn for one in told):
            return None
        now, counts = time.monotonic(), [int(one.value.ullVal) * 1024 for one in told]
        before, self._linked = self._linked, (now, counts)
        if before is None or now <= before[0]:
            return [0, 0]
        passed = now - before[0]
        return [round(max(0, b - a) / passed) for a, b in zip(before[1], counts, strict=True)]


def _bus(handle: Any) -> list[int] | None:
    """Return the bytes a second that go out and come in over PCIe."""
    import pynvml

    ways = (pynvml.NVML_PCIE_UTIL_TX_BYTES, pynvml.NVML_PCIE_UTIL_RX_BYTES)
    told = [maybe("nvmlDeviceGetPcieThroughput", handle, way) for way in ways]
    return None if None in told else [1000 * int(rate) for rate in told]


def _faults(handle: Any) -> Document | None:
    """Return the memory errors since the driver was loaded, those corrected and those not."""
    import pynvml

    kinds = {
        "corrected": pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED,
        "uncorrected": pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
    }
    told = {
        kind: maybe("nvmlDeviceGetTotalEccErrors", handle, number, pynvml.NVML_VOLATILE_ECC)
        for kind, number in kinds.items()
    }
    return None if None in told.values() else told


def _throttled(handle: Any) -> list[str]:
    bits = maybe("nvmlDeviceGetCurrentClocksEventReasons", handle)
    if bits is None:
        bits = maybe("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    return [reason for bit, reason in _REASONS.items() if (bits or 0) & bit]
