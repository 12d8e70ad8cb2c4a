"""What a dataset and its versions take on disk, and what each step saves."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.data.elsewhere import elsewhere
from lepton_jlab.data.storage.blobs import Identity, identity
from lepton_jlab.data.storage.files import files_of
from lepton_jlab.data.storage.place import Place, place_of, version_names
from lepton_jlab.data.storage.record import RECORD, Record, records
from lepton_jlab.data.store import address
from lepton_jlab.errors import LeptonError

if TYPE_CHECKING:
    from lepton_jlab.data.dataset import Dataset


@dataclass(frozen=True, slots=True)
class _Weight:
    """What one dataset, or a version of one, takes: bytes decoded, and of each of its files."""

    original: int
    files: tuple[tuple[Identity, int], ...]


def sizes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the sizes of a dataset with all of its versions, after each step.

    Cheap enough to be asked for often: versions do not change and are weighed once; of the dataset
    its files are looked at, and none is read. What is in an object store is not asked there.

    Returns
    -------
    dict
        ``original_bytes``: decoded, of the dataset and each version; ``compressed_bytes``: as
        stored, were each of them a copy; ``deduplicated_bytes``: on disk, each file once and
        records included; ``tiers``: these by tier; ``ratio_compression``, ``ratio_dedup``: of each
        step; ``ratio``: their product; ``versions``: how many there are. A file that other datasets
        share is counted whole. Ratios are None where there is nothing.

    Raises
    ------
    NotFoundError, DataError
        If there is no such dataset, or it is a URL, a zip file, or a part of a dataset.
    """
    return _sizes(path, set())


def report(folder: str | os.PathLike[str] = ".") -> dict[str, Any]:
    """Return the sizes of all datasets in a folder and below it, and what they come to.

    Returns
    -------
    dict
        ``datasets``: for each, as `sizes` says, ``name`` (relative to the folder) and ``path``; or
        ``error`` where it cannot be weighed, which is else None. ``total``: their sums, with the
        number of ``datasets``; there a file that several share is counted once.
    """
    from lepton_jlab.data.describe import find_folders

    rows: list[dict[str, Any]] = []
    total: Counter[str] = Counter()
    tiers: Counter[str] = Counter()
    seen: set[Identity] = set()
    for name, path in find_folders(folder):
        row: dict[str, Any] = {"name": name, "path": str(path), "error": None}
        try:
            row |= sizes(path)
        except LeptonError as error:
            row["error"] = str(error)
        else:
            once = _sizes(path, seen)
            total.update({key: once[key] for key in (*_STEPS, "versions")})
            tiers.update(once["tiers"])
        rows.append(row)
    steps = {key: total[key] for key in (*_STEPS, "versions")}
    count = sum(row["error"] is None for row in rows)
    return {
        "datasets": rows,
        "total": {"datasets": count, **steps, "tiers": dict(tiers), **_ratios(steps)},
    }


_STEPS = ("original_bytes", "compressed_bytes", "deduplicated_bytes")


def _sizes(path: str | os.PathLike[str], seen: set[Identity]) -> dict[str, Any]:
    """Return what `sizes` does, without the files on disk that were `seen` already."""
    from lepton_jlab.data.tiers.places import tier_of

    moved = elsewhere(Path(address(path)))
    if moved is not None:
        names: list[str] = []
        original, stored, on_disk = _original_bytes(moved.folder), moved.nbytes, moved.nbytes
    else:
        place = place_of(path)
        names = version_names(place)
        weights = [_weight(place.dataset), *(_version_weight(place, name) for name in names)]
        original = sum(weight.original for weight in weights)
        stored = on_disk = 0
        for weight in weights:
            stored += sum(size for _, size in weight.files)
            on_disk += sum(size for file, size in dict(weight.files).items() if file not in seen)
            seen.update(file for file, _ in weight.files)
        on_disk += sum((place.version(name) / RECORD).stat().st_size for name in names)
    steps = dict(zip(_STEPS, (original, stored, on_disk), strict=True))
    return {"versions": len(names), **steps, "tiers": {tier_of(path): on_disk}, **_ratios(steps)}


def _ratios(steps: Mapping[str, int]) -> dict[str, float | None]:
    original, stored, on_disk = (steps[key] for key in _STEPS)
    return {
        "ratio_compression": _ratio(original, stored),
        "ratio_dedup": _ratio(stored, on_disk),
        "ratio": _ratio(original, on_disk),
    }


def _version_weight(place: Place, name: str) -> _Weight:
    status = place.version(name).stat()
    return _kept_weight(_data(place, name), status.st_ino, status.st_ctime_ns)


@lru_cache(maxsize=64)
def _kept_weight(folder: Path, _inode: int, _changed: int) -> _Weight:
    """Weigh a version, which does not change; another of its name has another inode or time."""
    return _weight(folder)


def _weight(folder: Path) -> _Weight:
    found = ((entry.path, entry.stat()) for _, entry in files_of(folder))
    files = tuple((identity(status), status.st_size) for _, status in found)
    return _Weight(_original_bytes(folder), files)


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


def _original_bytes(folder: Path) -> int:
    """Return the size of all arrays when decoded, those of the datasets inside included."""
    from lepton_jlab.data.dataset import open_dataset
    from lepton_jlab.data.describe import decoded_bytes

    def own(dataset: Dataset) -> int:
        arrays = map(decoded_bytes, dataset._stored.values())
        return sum(arrays) + sum(own(dataset[name]) for name in dataset.groups)

    return own(open_dataset(folder))
