"""Engine `slurm`: each worker is a job of a SLURM cluster (dask-jobqueue's SLURMCluster)."""

from __future__ import annotations

import asyncio
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from lepton_jlab.cluster.backend import Backend, OwnBackend
from lepton_jlab.cluster.plan import Plan
from lepton_jlab.config import data_folder, private_folder
from lepton_jlab.errors import ClusterError


async def make(plan: Plan, scratch: Path) -> Backend:
    """Start a scheduler here and submit a job for each worker.

    The jobs read their TLS keys from files of mode 0600 in a private folder that they share with
    this machine; the job's script has the paths alone.

    Raises
    ------
    ClusterError
        When SLURM is not here, or refuses a job; with its words.
    """
    interrupt = signal.getsignal(signal.SIGINT)
    from dask_jobqueue import SLURMCluster

    signal.signal(signal.SIGINT, interrupt)  # its import makes of an interrupt a plain exit
    from distributed import Security

    if shutil.which("sbatch") is None:
        raise ClusterError(
            "Engine 'slurm': there is no sbatch here. Start it on a login node of the cluster, or "
            "reach its nodes by SSH: %lepton cluster start --hosts a,b"
        )
    chosen = plan.options
    base = Path(chosen["folder"]).expanduser() if "folder" in chosen else data_folder()
    shared = private_folder(base / "slurm" / scratch.name)
    interface = chosen.get("interface")
    security = Security.temporary()
    cluster = SLURMCluster(
        cores=plan.threads or 1,
        processes=1,
        memory=plan.memory,
        queue=chosen.get("partition"),
        walltime=chosen.get("walltime"),
        account=chosen.get("account"),
        job_extra_directives=chosen.get("directives", []),
        job_script_prologue=chosen.get("setup", []),
        python=chosen.get("python"),
        job_name=f"lepton-{plan.name}",
        log_directory=str(shared),
        shared_temp_directory=str(shared),
        death_timeout="60",
        # A node's own disk, for what Dask spills; the job has it for itself as long as it runs.
        local_directory="${TMPDIR:-/tmp}",
        worker_extra_args=["--no-dashboard"],
        security=security,
        scheduler_options={
            "dashboard": False,
            "dashboard_address": "127.0.0.1:0",
            **({"interface": interface} if interface else {}),
        },
        interface=interface,
        asynchronous=True,
        silence_logs=False,
    )
    try:
        await cluster
        cluster.scale(plan.at_start if plan.at_start is not None else 1)
        await cluster
    except BaseException as error:
        with suppress(Exception):
            await asyncio.wait_for(cluster.close(), 15)
        shutil.rmtree(shared, ignore_errors=True)
        if isinstance(error, RuntimeError):
            raise ClusterError(f"SLURM refused the job: {_words(error)}") from error
        raise
    return SlurmBackend(cluster, security, shared)


class SlurmBackend(OwnBackend):
    """An own cluster that leaves no file behind."""

    def __init__(self, cluster: Any, security: Any, shared: Path) -> None:
        super().__init__(cluster, security)
        self._shared = shared

    async def scale(self, *asked: Any) -> None:
        try:
            await super().scale(*asked)
        except RuntimeError as error:
            raise ClusterError(f"SLURM refused the job: {_words(error)}") from error

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            shutil.rmtree(self._shared, ignore_errors=True)


def _words(error: RuntimeError) -> str:
    """Return what sbatch wrote, of all that dask-jobqueue says about the call."""
    said = str(error).partition("stderr:\n")[2] or str(error)
    lines = [line.removeprefix("sbatch: ").strip() for line in said.splitlines()]
    return " ".join(filter(None, lines))
