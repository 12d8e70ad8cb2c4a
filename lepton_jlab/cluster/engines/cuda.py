"""Engine `cuda`: one worker per GPU of this machine (dask-cuda's LocalCUDACluster)."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from lepton_jlab.cluster.backend import Backend, OwnBackend
from lepton_jlab.cluster.options.cuda import is_device
from lepton_jlab.cluster.plan import Plan
from lepton_jlab.errors import ClusterError, suggestion
from lepton_jlab.resources import nvml

T = TypeVar("T")

_PATIENCE = 10.0  # seconds for the driver, which may hang

# A GPU as CUDA_VISIBLE_DEVICES names it: its number in the order of the bus, or a UUID.
Device = int | str


def gpu_count() -> int:
    """Return how many GPUs NVML sees; 0 where there is no NVIDIA driver."""
    try:
        import pynvml
    except ImportError:
        return 0
    try:
        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0


async def has_gpu() -> bool:
    """Tell whether NVML sees a GPU, answers at all, and CUDA_VISIBLE_DEVICES hides not all."""
    try:
        return _shown() != [] and bool(await _ask_driver(gpu_count))
    except TimeoutError:
        return False


def _shown() -> list[str] | None:
    """Return the devices that CUDA_VISIBLE_DEVICES leaves to this user; None: all."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return None
    words = [word.strip() for word in listed.split(",")]
    first_wrong = next((i for i, word in enumerate(words) if not is_device(word)), len(words))
    return words[:first_wrong]  # as CUDA reads it: -1 or nothing hides those that follow


async def make(plan: Plan, scratch: Path) -> Backend:
    """Start a LocalCUDACluster over TLS.

    Raises
    ------
    ClusterError
        When NVML sees no GPU, not one that was named, or fewer than `plan.workers`.
    """
    options = plan.options
    try:
        there = await _ask_driver(devices)
    except TimeoutError:
        raise ClusterError(
            f"Engine 'cuda': the NVIDIA driver has not answered in {_PATIENCE:g} s (nvidia-smi "
            "hangs, too). Use the CPU cores: %lepton cluster start --engine local"
        ) from None
    if not there or _shown() == []:
        why = (
            "NVML sees no GPU on this machine (nvidia-smi shows what there is)"
            if not there
            else f"CUDA_VISIBLE_DEVICES={os.environ['CUDA_VISIBLE_DEVICES']!r} hides the GPUs here"
        )
        raise ClusterError(
            f"Engine 'cuda': {why}. Use the CPU cores: %lepton cluster start --engine local"
        )
    chosen = choose(options.get("gpus") or _shown() or (), there)
    option, most = (
        ("--adapt 0..", plan.adapt[1]) if plan.adapt else ("--workers ", plan.workers or 0)
    )
    if most > len(chosen):
        raise ClusterError(
            f"Engine 'cuda': {most} workers asked for, but there are {len(chosen)} GPUs. "
            f"Use {option}{len(chosen)} or fewer."
        )
    from distributed import Security

    security = Security.temporary()
    more = {key: options[key] for key in ("device_memory_limit",) if key in options}
    cluster = await _pinned_class()(
        CUDA_VISIBLE_DEVICES=chosen,
        n_workers=plan.workers or (plan.adapt or (0, 0))[0] or None,
        # A slot is held by a task of Dask, and that needs a thread.
        threads_per_worker=(plan.threads or 1) * options.get("slots_per_gpu", 1),
        memory_limit=plan.memory or "auto",
        asynchronous=True,
        security=security,
        protocol="tls://",
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=str(scratch),
        **more,
    )
    return OwnBackend(cluster, security)


def devices() -> dict[Device, list[str]]:
    """Return this machine's devices by the name that CUDA takes, each with all its names.

    A GPU that is divided by MIG is none itself: its instances are, by their UUIDs, since they have
    no number. Beside them whole GPUs go by UUID, too: dask-cuda sorts names, and text and numbers
    cannot be sorted together.
    """
    import pynvml

    whole: dict[Device, list[str]] = {}
    instances: dict[Device, list[str]] = {}
    for index in range(gpu_count()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        found = nvml.instances(handle)
        instances |= {one["uuid"]: [one["uuid"]] for one in found or ()}
        if found is None:
            uuid = nvml.text(pynvml.nvmlDeviceGetUUID(handle))
            whole[index] = [str(index), uuid]
    if instances:
        return {names[1]: names for names in whole.values()} | instances
    return whole


def choose(wanted: Sequence[str], there: dict[Device, list[str]]) -> list[Device]:
    """Return the devices that a user named, by the name that CUDA takes; without names all.

    Raises
    ------
    ClusterError
        When one is not there, or one is named twice.
    """
    chosen: list[Device] = []
    for word in wanted:
        found = next((device for device, names in there.items() if _means(word, names)), None)
        if found is None:
            names = [name for names in there.values() for name in names]
            raise ClusterError(
                f"--gpus: there is no device {word} on this machine.{suggestion(word, names)} "
                f"There are: {', '.join(map(str, there))}."
            )
        if found in chosen:
            raise ClusterError(f"--gpus: {word} is there twice, by its number and by its UUID.")
        chosen.append(found)
    return chosen or list(there)


def _means(word: str, names: Sequence[str]) -> bool:
    """Tell whether `word` is a name, or the beginning of a UUID, which CUDA takes, too."""
    return word in names or (not word.isdecimal() and any(n.startswith(word) for n in names))


async def _ask_driver(question: Callable[[], T]) -> T:
    """Ask in a thread that keeps nobody, since a driver may hang for ever."""
    answer: Future[T] = Future()

    def ask() -> None:
        with suppress(InvalidStateError):  # nobody waits any more
            try:
                answer.set_result(question())
            except Exception as error:  # noqa: BLE001 (it is raised where the answer is awaited)
                answer.set_exception(error)

    threading.Thread(target=ask, name="lepton-driver", daemon=True).start()
    return await asyncio.wait_for(asyncio.wrap_future(answer), _PATIENCE)


def _pinned_class() -> Any:
    from dask_cuda import LocalCUDACluster

    class PinnedCUDACluster(LocalCUDACluster):
        """Its workers make no CUDA context of their own: the GPU's memory is for the runs."""

        def new_worker_spec(self) -> dict[Any, dict[str, Any]]:
            if len(self.worker_spec) >= len(self.cuda_visible_devices):
                raise ValueError(f"it has {len(self.cuda_visible_devices)} GPUs")
            spec: dict[Any, dict[str, Any]] = super().new_worker_spec()
            for worker in spec.values():
                options = worker["options"]
                kept = [p for p in options.get("preload", []) if p != "dask_cuda.initialize"]
                options.update(preload=kept, preload_argv=[])
                # NVML counts devices by the bus; CUDA, unless told, puts the fastest first.
                options["env"]["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
            return spec

    return PinnedCUDACluster
