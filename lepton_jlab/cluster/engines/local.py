"""Engine `local`: worker processes on this machine's CPU cores (distributed's LocalCluster)."""

from __future__ import annotations

from pathlib import Path

from lepton_jlab.cluster.backend import Backend, OwnBackend
from lepton_jlab.cluster.plan import Plan


async def make(plan: Plan, scratch: Path) -> Backend:
    """Start a LocalCluster over TLS; without numbers, Dask's own split of the cores."""
    from dask.system import CPU_COUNT
    from distributed import LocalCluster, Security
    from distributed.deploy.utils import nprocesses_nthreads

    workers, threads = plan.at_start, plan.threads
    if plan.adapt is not None:  # its share when there are as many as there may be
        threads = threads or max(1, CPU_COUNT // plan.adapt[1])
    elif workers is None and threads is None:
        workers, threads = nprocesses_nthreads()
    elif workers is None:
        workers = max(1, CPU_COUNT // (threads or 1))
    security = Security.temporary()
    cluster = await LocalCluster(
        n_workers=workers,
        threads_per_worker=threads or max(1, CPU_COUNT // (workers or 1)),
        memory_limit=plan.memory or "auto",
        asynchronous=True,
        security=security,
        protocol="tls://",
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=str(scratch),
    )
    return OwnBackend(cluster, security)
