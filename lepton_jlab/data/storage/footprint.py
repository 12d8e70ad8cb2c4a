"""What a dataset and its versions take on disk, and what each step saves."""

from __future__ import annotations

import math
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.storage.blobs import Identity, identity
from lepton_jlab.data.storage.files import files_of
from lepton_jlab.data.storage.place import STORE, Place, place_of, version_names
from lepton_jlab.data.storage.record import RECORD, Record, records

if TYPE_CHECKING:
    from lepton_jlab.data.dataset import Dataset


def sizes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the sizes of a dataset with all of its versions, after each step.

    Returns
    -------
    dict
        ``original_bytes``: decoded, of the dataset and each version; ``compressed_bytes``: as
        stored, were each of them a copy; ``deduplicated_bytes``: on disk, each file once and
        records included; ``ratio_compression``, ``ratio_dedup``: of each step; ``ratio``: their
        product; ``versions``: how many there are. A file that other datasets share is counted
        whole. Ratios are None where there is nothing.

    Raises
    ------
    NotFoundError, DataError
        If there is no such dataset, or it is not in a folder of this machine.
    """
    from lepton_jlab.data.dataset import open_dataset

    place = place_of(path)
    names = version_names(place)
    folders = [place.dataset, *(_data(place, name) for name in names)]
    original = sum(_original_bytes(open_dataset(folder)) for folder in folders)
    stored = on_disk = 0
    seen: set[Identity] = set()
    for folder in folders:
        for _, entry in files_of(folder):
            status = entry.stat()
            stored += status.st_size
            if identity(status) not in seen:
                seen.add(identity(status))
                on_disk += status.st_size
    on_disk += sum((place.version(name) / RECORD).stat().st_size for name in names)
    return {
        "versions": len(names),
        "original_bytes": original,
        "compressed_bytes": stored,
        "deduplicated_bytes": on_disk,
        "ratio_compression": _ratio(original, stored),
        "ratio_dedup": _ratio(stored, on_disk),
        "ratio": _ratio(original, on_disk),
    }


def has_versions(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a dataset on this machine that has versions; cheap enough to ask always."""
    folder = Path(path).expanduser().resolve()
    return folder.is_dir() and (folder.parent / STORE / "versions" / folder.name).is_dir()


def version_rows(place: Place) -> list[dict[str, Any]]:
    """Return a row for each version, as `lepton_jlab.data.storage.versions` lists them."""
    rows = []
    for record in records(place):
        with suppress(FileNotFoundError):  # dropped just now
            rows.append(version_row(place, record))
    return rows


def version_row(place: Place, record: Record) -> dict[str, Any]:
    """Return one row of `version_rows`."""
    return {
        "name": record.name,
        "created": record.created,
        "path": str(_data(place, record.name)),
        "files": len(record.files),
        **_weigh(place, record.name),
        "private": record.private,
        "note": record.note,
    }


def _data(place: Place, name: str) -> Path:
    return place.version(name) / place.dataset.name


def _weigh(place: Place, name: str) -> dict[str, int]:
    """Return the bytes of a version, and those that would be free without it."""
    stored = 0
    links: Counter[int] = Counter()
    found: dict[int, os.stat_result] = {}
    for _, entry in files_of(_data(place, name)):
        status = entry.stat()
        stored += status.st_size
        links[status.st_ino] += 1
        found[status.st_ino] = status
    # One link more is the one of the store, which does not keep it when all others are gone.
    own = sum(s.st_size for inode, s in found.items() if s.st_nlink - links[inode] <= 1)
    own += (place.version(name) / RECORD).stat().st_size
    return {"stored_bytes": stored, "own_bytes": own}


def _ratio(before: int, after: int) -> float | None:
    return round(before / after, 3) if after else None


def _original_bytes(dataset: Dataset) -> int:
    """Return the size of all arrays when decoded, those of the datasets inside included."""
    own = sum(
        math.prod(array.shape) * np.dtype(array.dtype).itemsize
        for array in dataset._stored.values()
    )
    return own + sum(_original_bytes(dataset[name]) for name in dataset.groups)
