"""Clusters: a Dask cluster owned by a detached host process, found by its connection file."""

from lepton_jlab.cluster.handle import (
    Cluster,
    clusters,
    get_cluster,
    start_cluster,
    use_cluster,
)
from lepton_jlab.cluster.looking import overview

__all__ = ["Cluster", "clusters", "get_cluster", "overview", "start_cluster", "use_cluster"]
