"""The GPUs of a worker: what its runs see of them, and what happens when one is lost."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from lepton_jlab.cluster.backend import WorkerFacts
from lepton_jlab.cluster.devices import Told, called, names_of
from lepton_jlab.errors import ClusterError, UsageError, suggestion
from lepton_jlab.resources import nvml

PRECISIONS = ("float32", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")

_LOOK = 1.0  # seconds between two looks at whether a device is there
_DOUBT = 3  # looks in a row that fail until a device counts as lost, if its driver does not say so

# What a plan's options say to the runs themselves.
_FOR_RUNS = ("rmm_pool_size", "enable_cudf_spill")


def settings_of(engine: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `WorkerDevices` takes from a cluster's plan."""
    settings = {"hidden": engine == "local", "slots": options.get("slots_per_gpu", 1)}
    return settings | {key: options[key] for key in _FOR_RUNS if key in options}


class WorkerDevices:
    """What the runs of this worker see of its GPUs.

    Parameters
    ----------
    hidden : bool
        They see none, since the cluster is one of processors.
    slots : int
        How many runs share a GPU.
    for_runs
        What specifications are to say besides.
    """

    def __init__(self, hidden: bool = False, slots: int = 1, **for_runs: Any) -> None:
        self.slots = slots
        self.fault: str | None = None
        self.names = [] if hidden else _own()
        self._hidden = hidden
        self._for_runs = {**for_runs, "gpu_share": 1 / slots} if self.names else {}
        self._closed = threading.Event()

    def told(self) -> Told | None:
        """Return what the heartbeat tells, None for a worker without GPUs."""
        return {"names": self.names, "fault": self.fault} if self.names else None

    def environment(self) -> dict[str, str]:
        """Return what a child's environment says of devices."""
        if not self.names:
            return {"CUDA_VISIBLE_DEVICES": "-1"} if self._hidden else {}
        return {
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as NVML counts, and nvidia-smi
            "CUDA_VISIBLE_DEVICES": ",".join(self.names),
            # TensorFlow would take all of a device's memory at once.
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        }

    def fill(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Return a run's specification with what it needs to know of devices and processors."""
        spec = {**self._for_runs, **spec}
        if spec.get("affinity") is None and hasattr(os, "sched_getaffinity"):
            # Its fork server is that of all workers here: it keeps to the processors of the first.
            several = len(spec.get("devices") or ()) > 1
            spec["affinity"] = (
                list(range(os.cpu_count() or 1)) if several else sorted(os.sched_getaffinity(0))
            )
        return spec

    def watch(self, lost: Callable[[str], None]) -> None:
        """Call `lost` in this event loop, once, when one of the devices is lost."""
        if not self.names:
            return
        loop = asyncio.get_running_loop()

        def look() -> None:
            why = _wait_for_loss(self.names, self._closed)
            if why is not None and not self._closed.is_set():
                self.fault = why
                loop.call_soon_threadsafe(lost, why)

        # A thread of its own: a driver that hangs holds up nothing.
        threading.Thread(target=look, name="lepton-device-watch", daemon=True).start()

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()


def words_of(
    gpus: int | None, precision: str | None, keep: str | None, replicas: int = 1
) -> dict[str, Any]:
    """Return what ``--gpus`` and ``--precision`` say in a specification.

    Raises
    ------
    UsageError
        A value cannot be, or not with `keep` or `replicas`.
    """
    if precision is not None and precision not in PRECISIONS:
        raise UsageError(
            f"--precision {precision}: there are {', '.join(PRECISIONS)}."
            f"{suggestion(precision, PRECISIONS)}"
        )
    said: dict[str, Any] = {} if precision is None else {"precision": precision}
    if gpus is None:
        return said
    if gpus < 1:
        raise UsageError(f"--gpus is {gpus}; it must be 1 or more.")
    if gpus > 1 and keep is not None:
        raise UsageError(
            f"--gpus {gpus} and --keep {keep}: a lasting process has the one GPU of its worker. "
            "Leave one of them out."
        )
    if gpus > 1 and replicas > 1:
        raise UsageError(
            f"--gpus {gpus} and --replicas {replicas}: each replica has the one GPU of its worker. "
            "Leave one of them out."
        )
    if gpus == 1:
        return {**said, "gpus": 1}
    return {**said, "gpus": gpus, "slots": gpus, "gang": {"spread": "host"}}


def refusal(
    spec: Mapping[str, Any], workers: Collection[WorkerFacts], engine: str, cluster: str
) -> ClusterError | None:
    """Return why a run cannot have the GPUs that it asks for, None if it can."""
    wanted = spec.get("gpus")
    if not wanted or not workers:
        return None
    own = [names_of(worker, engine) for worker in workers]
    if not all(own):
        none = "no GPUs" if not any(own) else "workers without a GPU"
        return ClusterError(
            f"--gpus {wanted}: cluster {cluster!r} has {none}. Start one of GPUs: "
            "%lepton cluster start --engine cuda"
        )
    if wanted > 1 and any(name.startswith("MIG-") for names in own for name in names):
        return ClusterError(
            f"--gpus {wanted}: a process can use one MIG device only, and cluster {cluster!r} has "
            "MIG devices. Leave --gpus out."
        )
    hosts = [worker.host for worker in workers if worker.slots]
    most = max(map(hosts.count, hosts), default=0)
    if wanted > most and engine == "cuda":
        return ClusterError(
            f"--gpus {wanted}: cluster {cluster!r} has {most} GPU{'s' * (most != 1)}. "
            f"Use --gpus {most} or fewer."
        )
    return None


def while_running(fault: str) -> str:
    """Say in a run's words what has become of its device."""
    return f"{fault}, while this ran on it"


def _own() -> list[str]:
    """Return this worker's devices, as CUDA_VISIBLE_DEVICES names them.

    dask-cuda shows every worker all devices, its own one first.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in listed.split(",") if name.strip() not in ("", "-1")]
    return names[:1] if "dask_cuda" in sys.modules else names


def _wait_for_loss(names: Sequence[str], closed: threading.Event) -> str | None:
    """Look at the devices until one is lost, and say what happened; None where none can be seen."""
    try:
        import pynvml
    except ImportError:
        return None
    gone = (pynvml.NVMLError_GpuIsLost, pynvml.NVMLError_ResetRequired)
    doubtful = (pynvml.NVMLError_Unknown, pynvml.NVMLError_GpuNotFound)
    failed = dict.fromkeys(names, 0)
    handles: dict[str, Any] = {}
    while True:
        for name in names:
            try:
                if name not in handles:
                    pynvml.nvmlInit()
                    handles[name] = nvml.device(name)[0]
                pynvml.nvmlDeviceGetMemoryInfo(handles[name])
                failed[name] = 0
            except gone as error:
                return f"{called(name)}: {error}"
            except doubtful as error:
                failed[name] += 1
                if failed[name] >= _DOUBT:
                    return f"{called(name)}: {error}"
            except pynvml.NVMLError:  # not this device's: no driver, no right to ask
                continue
        if closed.wait(_LOOK):
            return None
