"""Engine `cuda`: one worker per GPU of this machine (dask-cuda's LocalCUDACluster)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lepton_jlab.cluster.backend import Backend, OwnBackend
from lepton_jlab.cluster.plan import Plan
from lepton_jlab.errors import ClusterError


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


async def make(plan: Plan, scratch: Path) -> Backend:
    """Start a LocalCUDACluster over TLS.

    Raises
    ------
    ClusterError
        When NVML sees no GPU, or fewer than `plan.workers`.
    """
    gpus = gpu_count()
    if not gpus:
        raise ClusterError(
            "Engine 'cuda': NVML sees no GPU on this machine (nvidia-smi shows what there is). "
            "Use the CPU cores: %lepton cluster start --engine local"
        )
    if plan.workers and plan.workers > gpus:
        raise ClusterError(
            f"Engine 'cuda': {plan.workers} workers asked for, but there are {gpus} GPUs. "
            f"Use --workers {gpus} or fewer."
        )
    from distributed import Security

    security = Security.temporary()
    cluster = await _pinned_class()(
        n_workers=plan.workers,
        threads_per_worker=plan.threads or 1,
        memory_limit=plan.memory or "auto",
        asynchronous=True,
        security=security,
        protocol="tls://",
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=str(scratch),
    )
    return OwnBackend(cluster, security)


def _pinned_class() -> Any:
    from dask_cuda import LocalCUDACluster

    class PinnedCUDACluster(LocalCUDACluster):
        """Its workers make no CUDA context of their own: the GPU's memory is for the runs."""

        def new_worker_spec(self) -> dict[Any, dict[str, Any]]:
            spec: dict[Any, dict[str, Any]] = super().new_worker_spec()
            for worker in spec.values():
                options = worker["options"]
                kept = [p for p in options.get("preload", []) if p != "dask_cuda.initialize"]
                options.update(preload=kept, preload_argv=[])
            return spec

    return PinnedCUDACluster
