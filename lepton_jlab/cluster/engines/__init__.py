"""Engines: each file makes one kind of Dask cluster and returns it as a `Backend`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from lepton_jlab.cluster.backend import Backend
from lepton_jlab.cluster.engines.calm import calm_dask
from lepton_jlab.cluster.plan import Plan


async def make(plan: Plan, scratch: Path) -> tuple[str, Backend]:
    """Make the cluster that `plan` asks for.

    Parameters
    ----------
    scratch : Path
        A private folder for what Dask writes on this machine.

    Returns
    -------
    str, Backend
        The engine that ``auto`` became, and the running cluster.
    """
    engine = plan.engine
    if engine == "auto":
        from lepton_jlab.cluster.engines.cuda import has_gpu

        engine = "cuda" if await has_gpu() else "local"
    module = "address" if "://" in engine else engine
    calm_dask()
    backend: Backend = await import_module(f"{__name__}.{module}").make(plan, scratch)
    return engine, backend
