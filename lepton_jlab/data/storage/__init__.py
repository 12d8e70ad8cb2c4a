"""Storage of datasets: chunks shared by content, versions, checks and repair."""

from __future__ import annotations

from lepton_jlab.data.storage.collecting import collect
from lepton_jlab.data.storage.difference import diff
from lepton_jlab.data.storage.footprint import report, sizes
from lepton_jlab.data.storage.manifest import export
from lepton_jlab.data.storage.place import version_folder
from lepton_jlab.data.storage.restoring import restore
from lepton_jlab.data.storage.sharing import dedup
from lepton_jlab.data.storage.verifying import verify
from lepton_jlab.data.storage.versioning import drop, snapshot, versions

__all__ = [
    "collect",
    "dedup",
    "diff",
    "drop",
    "export",
    "report",
    "restore",
    "sizes",
    "snapshot",
    "verify",
    "version_folder",
    "versions",
]
