"""The files that make up a Zarr dataset: documents, which say what it is, and chunks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

DOCUMENTS = {"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"}


def is_document(key: str) -> bool:
    """Whether `key` names metadata and not a chunk."""
    return key.rpartition("/")[2] in DOCUMENTS


def files_of(dataset: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the key and the directory entry of each file of a dataset, in order.

    What is no part of it is left out: hidden files, what Zarr is just writing, and links that lead
    nowhere.
    """
    yield from _below(dataset, "")


def _below(folder: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if _is_folder(entry):
            if not entry.name.startswith("."):
                yield from _below(Path(entry.path), f"{prefix}{entry.name}/")
        elif _leads_nowhere(entry):
            continue
        elif is_document(entry.name) or not (
            entry.name.startswith(".") or entry.name.endswith((".partial", ".__lock"))
        ):
            yield prefix + entry.name, entry


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, as `lepton_jlab.data.elsewhere` makes them
        return False


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not Path(entry.path).exists()
