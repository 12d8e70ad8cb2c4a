"""Engine `local`: worker processes on this machine's CPU cores (distributed's LocalCluster)."""

from __future__ import annotations

from pathlib import Path

from lepton_jlab.cluster.backend import Backend, OwnBackend
from lepton_jlab.cluster.plan import Plan
from lepton_jlab.errors import ClusterError
from lepton_jlab.granted import Granted, granted


async def make(plan: Plan, scratch: Path) -> Backend:
    """Start a LocalCluster over TLS, which shares out the cores and memory granted here.

    Raises
    ------
    ClusterError
        When there are to be more workers than what is granted has room for.
    """
    from distributed import LocalCluster, Security

    workers, threads, memory = split(plan, granted())
    security = Security.temporary()
    cluster = await LocalCluster(
        n_workers=workers,
        threads_per_worker=threads,
        memory_limit=memory,
        asynchronous=True,
        security=security,
        protocol="tls://",
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=str(scratch),
    )
    return OwnBackend(cluster, security)


def split(plan: Plan, share: Granted) -> tuple[int, int, int]:
    """Return workers, threads and bytes of each; what the plan leaves open is Dask's own split."""
    from distributed.deploy.utils import nprocesses_nthreads

    workers, threads = plan.at_start, plan.threads
    if workers is None:
        workers = share.threads // threads if threads else nprocesses_nthreads(share.threads)[0]
        workers = max(1, min(workers, share.most_workers or workers))
    most = max(1, workers if plan.adapt is None else plan.adapt[1])
    refuse_too_many(most, share)
    threads = threads or max(1, share.threads // most)
    memory = plan.memory or int(share.memory * min(threads / share.threads, 1 / most))
    return workers, threads, memory


def refuse_too_many(workers: int, share: Granted) -> None:
    """Raise `ClusterError` when there is no room for so many workers."""
    if share.most_workers is not None and workers > share.most_workers:
        raise ClusterError(
            f"{workers} workers are too many: {share.sentence} Ask for {share.most_workers} or "
            "fewer; more runs than workers wait for their turn."
        )
