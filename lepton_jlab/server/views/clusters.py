"""Clusters."""

from __future__ import annotations

from typing import Any

from lepton_jlab.server.lab import Lab
from lepton_jlab.server.tasks import Task

PATIENCE = 0.04  # seconds; what has not answered by then is told as it was known last


def list_all(_lab: Lab, patience: float | None = PATIENCE) -> dict[str, Any]:
    """Return all clusters, also those that start or hang."""
    from lepton_jlab.cluster import overview
    from lepton_jlab.kernels import specs

    specs.clear_stale()
    return {"clusters": overview(patience=patience)}


def show(_lab: Lab, name: str) -> dict[str, Any]:
    """Return one cluster."""
    from lepton_jlab.cluster import connection, overview

    for one in overview(patience=PATIENCE):
        if one["name"] == name:
            return one
    raise connection.not_found(name)


def start(lab: Lab, options: dict[str, Any] | None = None, **words: Any) -> Task:
    """Start a cluster; `options` are those of its engine alone."""
    from lepton_jlab.cluster import start_cluster
    from lepton_jlab.cluster.options import files, refuse_unknown

    own = dict(options or {})
    refuse_unknown(own)
    for given, names in ((words, ("tls_ca", "tls_cert", "tls_key")), (own, files())):
        for key in names:
            if given.get(key) is not None:
                given[key] = str(lab.path(given[key]))
    name = words.get("name") or words.get("engine", "auto")

    def work(task: Task) -> dict[str, Any]:
        return _running(start_cluster(**words, **own, progress=task.report).info())

    return lab.tasks.start("cluster start", f"Start cluster {name}", work)


def stop(_lab: Lab, name: str, force: bool = False) -> None:
    """Stop a cluster."""
    from lepton_jlab.cluster import get_cluster

    get_cluster(name).stop(force=force)


def scale(_lab: Lab, name: str, workers: int | str, force: bool = False) -> dict[str, Any]:
    """Give a cluster another number of workers."""
    from lepton_jlab.cluster import get_cluster

    return _running(get_cluster(name).scale(workers, force=force))


def code(_lab: Lab, name: str) -> dict[str, str]:
    """Return what a notebook needs to use a cluster."""
    from lepton_jlab.cluster import connection

    connection.find(name)
    lines = f"%load_ext lepton_jlab\n%lepton cluster use {name}"
    return {"code": lines}


def _running(info: dict[str, Any]) -> dict[str, Any]:
    return {**info, "state": "running"}
