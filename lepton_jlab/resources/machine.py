"""What this machine does: processor, memory, disk and network, by psutil and the cgroup."""

from __future__ import annotations

import time
from typing import Any

from lepton_jlab import cgroup
from lepton_jlab.granted import granted


class Machine:
    """Measures since the last look.

    Parameters
    ----------
    folder : str
        Whose disk it is whose room is told.
    """

    def __init__(self, folder: str = ".") -> None:
        self._folder = folder
        self._looked = time.monotonic()
        self._cores = granted().cores
        self._spent = cgroup.spent()
        self._counted = _counters()
        _whole_machine()  # the first answer of psutil is 0

    def read(self) -> dict[str, Any]:
        """Return what the host did since the last call; see the contract of a sample."""
        import psutil

        now = time.monotonic()
        passed = max(now - self._looked, 1e-3)
        counted = _counters()
        rates = [max(0.0, (b - a) / passed) for a, b in zip(self._counted, counted, strict=True)]
        cpu = self._processor(passed)
        self._looked, self._counted = now, counted
        try:
            disk = psutil.disk_usage(self._folder)
            room = [disk.used, disk.used + disk.free]
        except OSError:
            room = [0, 0]
        return {
            "cpu": round(cpu, 1),
            "memory": list(_memory()),
            "disk": [*(round(rate) for rate in rates[:2]), *room],
            "network": [round(rate) for rate in rates[2:]],
        }

    def _processor(self, passed: float) -> float:
        """Return the share of the cores that may be used, in percent."""
        import psutil

        whole, count = _whole_machine(), psutil.cpu_count() or 1
        spent = cgroup.spent()
        if self._cores >= count:
            return whole
        if spent is None or self._spent is None:
            return min(100.0, whole * count / self._cores)
        share = (spent - self._spent) / passed / self._cores
        self._spent = spent
        return min(100.0, 100 * share)


def _memory() -> tuple[int, int]:
    """Return the bytes used and the bytes granted.

    Under a limit, used is what counts towards it.
    """
    import psutil

    machine, total = psutil.virtual_memory(), granted().memory
    if total >= machine.total:
        return int(machine.total - machine.available), int(machine.total)
    used = cgroup.memory_used()
    return (int(machine.used) if used is None else used), total


def _whole_machine() -> float:
    import psutil

    return float(psutil.cpu_percent(None))


def _counters() -> list[int]:
    """Return bytes read, written, received and sent since the machine started."""
    import psutil

    disk = network = None
    try:
        disk = psutil.disk_io_counters()
        network = psutil.net_io_counters()
    except (OSError, RuntimeError):  # a container may not see them
        pass
    return [
        *([disk.read_bytes, disk.write_bytes] if disk else [0, 0]),
        *([network.bytes_recv, network.bytes_sent] if network else [0, 0]),
    ]
