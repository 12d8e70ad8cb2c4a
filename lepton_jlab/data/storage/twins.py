"""Finds which other files are the same one on disk as those that are damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lepton_jlab.data.storage.blobs import Identity, identity
from lepton_jlab.data.storage.files import files_of, is_document
from lepton_jlab.data.storage.findings import Finding
from lepton_jlab.data.storage.place import Place
from lepton_jlab.data.storage.record import RECORD
from lepton_jlab.data.store import is_zarr


def find_twins(place: Place, findings: list[Finding]) -> None:
    """Note which other files are the same on disk as those found."""
    wanted: dict[Identity, list[Finding]] = {}
    for finding in findings:
        if finding.kind != "missing" and finding.key != RECORD and not is_document(finding.key):
            wanted.setdefault(identity(Path(finding.path).stat()), []).append(finding)
    if not wanted:
        return
    for folder in _datasets(place):
        device = folder.stat().st_dev
        for _, entry in files_of(folder):
            for finding in wanted.get((device, entry.inode()), ()):
                if entry.path != finding.path:
                    finding.shared_with.append(entry.path)


def _datasets(place: Place) -> Iterator[Path]:
    """Yield all datasets, and versions of datasets, that share chunks through a store."""
    for folder in sorted(place.store.parent.iterdir()):
        if not folder.name.startswith(".") and folder.is_dir() and is_zarr(folder):
            yield folder
    yield from sorted((place.store / "versions").glob("*/*/*/"))
