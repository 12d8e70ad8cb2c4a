"""Links between the places where workers are: measured, kept up to date, told to Dask."""

from __future__ import annotations

from lepton_jlab.cluster.links.model import HOST, Link
from lepton_jlab.cluster.links.table import LinkTable

__all__ = ["HOST", "Link", "LinkTable"]
