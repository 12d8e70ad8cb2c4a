"""Versions of a dataset: made, listed, brought back and dropped."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lepton_jlab.data.parallel import Progress, silent
from lepton_jlab.data.storage.collecting import collect_store
from lepton_jlab.data.storage.faults import explained
from lepton_jlab.data.storage.files import files_of, is_document
from lepton_jlab.data.storage.footprint import version_row, version_rows
from lepton_jlab.data.storage.keeping import Keeping, keep_document
from lepton_jlab.data.storage.place import Place, find_version, place_of
from lepton_jlab.data.storage.protection import keeps_private, stops_writers
from lepton_jlab.data.storage.record import Record, records
from lepton_jlab.data.storage.working import by_threads
from lepton_jlab.data.storage.workspace import Workspace
from lepton_jlab.errors import DataError

_TRIES = 3


def snapshot(
    path: str | os.PathLike[str],
    name: str,
    *,
    private: bool | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Keep a dataset as it is now under a name.

    A version is a Zarr dataset in a folder of its own, which every reader opens. It takes the space
    of its metadata, and of the chunks that no other version has.

    Parameters
    ----------
    path
        The folder of the dataset.
    name
        Of the version.
    private
        Leave the dataset files of its own: one more copy on disk, which programs that overwrite
        files in place (zarrs, fsspec) may write as root too. False shares its files with the
        version by hard links. None is as with the last version; with the first, True where copies
        cost nothing (XFS, Btrfs) or read-only files do not stop your programs (root), else False.
    progress
        Called with (done, in all, what is being done) after each chunk.

    Returns
    -------
    dict
        As a row of `versions`; with ``new_bytes``, what it added to the disk, and ``overwritten``,
        the keys of shared chunks that another program wrote in place; and ``protected``, whether
        read-only files stop your programs.

    Raises
    ------
    NotFoundError
        If there is no such dataset.
    DataError
        If there is a version of this name, or it could not be written; then all is as it was.
    UsageError
        If `name` cannot be one.
    """
    place = place_of(path)
    folder = place.version(name)
    _refuse_taken(folder, place, name)
    doing = f"The snapshot {name!r} of {place.dataset.name}"
    kept = "the dataset and its versions are as they were"
    with (
        explained(doing, place.store.parent, kept),
        Workspace(place.store) as work,
    ):
        if private is None:
            private = keeps_private(place, work.folder, next(reversed(records(place)), None))
        protected = stops_writers(work.folder)
        keeping, made = _build(place, work, private, progress or silent)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        record = Record(name, now, keeping.private, made, keeping.tally.note)
        record.write(work.folder / "version")
        try:
            _move(work.folder / "version", folder)
        except OSError:
            _refuse_taken(folder, place, name)
            raise
        row = version_row(place, record)
    tally = keeping.tally
    found = {"new_bytes": tally.new_bytes, "overwritten": sorted(tally.overwritten)}
    return {**row, **found, "protected": protected}


def versions(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """List the versions of a dataset, oldest first.

    Returns
    -------
    list of dict
        ``name``, ``created`` (ISO 8601, UTC), ``path`` (a Zarr dataset), ``files``,
        ``stored_bytes`` (of all its files), ``own_bytes`` (what dropping it would free),
        ``private``, ``note``.
    """
    return version_rows(place_of(path))


def drop(path: str | os.PathLike[str], name: str) -> dict[str, Any]:
    """Remove a version, and the chunks that nothing else has.

    Returns
    -------
    dict
        ``name``, ``freed_bytes``.

    Raises
    ------
    NotFoundError
        If there is no such version.
    """
    place = place_of(path)
    folder = find_version(place, name)
    with (
        explained(f"Dropping {name!r} of {place.dataset.name}", folder, "the rest is as it was"),
        Workspace(place.store) as work,
    ):
        gone = work.folder / "dropped"
        try:
            folder.rename(gone)  # at once for everybody; the files go after
        except FileNotFoundError:  # another has dropped it just now
            find_version(place, name)
            raise
        freed = sum(
            entry.stat().st_size
            for _, entry in files_of(gone / place.dataset.name)
            if entry.stat().st_nlink == 1
        )
    freed += collect_store(place.store)["bytes"]
    return {"name": name, "freed_bytes": freed}


def _refuse_taken(folder: Path, place: Place, name: str) -> None:
    if folder.exists():
        raise DataError(
            f"{place.dataset.name} has a version {name!r} already. Take another name, or drop it: "
            f"%lepton data drop {place.dataset.name} {name}"
        )


def _move(made: Path, folder: Path) -> None:
    while True:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            made.rename(folder)
        except FileNotFoundError:  # its last version was dropped just now, and the folder with it
            if made.exists():
                continue
            raise
        return


def _build(
    place: Place, work: Workspace, private: bool, progress: Progress
) -> tuple[Keeping, dict[str, str]]:
    """Write a version into the workspace; return the SHA-256 of its files by key."""
    keeping = Keeping(place, work, private)
    for _ in range(_TRIES):
        target = work.folder / "version" / place.dataset.name
        try:
            return keeping, _fill(place, keeping, target, progress)
        except FileNotFoundError:  # another program removed a chunk between listing and reading
            shutil.rmtree(work.folder / "version")
    raise DataError(
        f"{place.dataset.name} is being changed by another program. Try again when it has ended."
    )


def _fill(place: Place, keeping: Keeping, target: Path, progress: Progress) -> dict[str, str]:
    made: dict[str, str] = {}
    target.mkdir(parents=True)
    folders = {target}

    def one(key: str) -> tuple[str, str]:
        return key, keeping.keep(key, target / key)

    chunks = []
    for key, entry in files_of(place.dataset):
        folder = (target / key).parent
        if folder not in folders:
            folder.mkdir(parents=True, exist_ok=True)
            folders.add(folder)
        if is_document(key):
            made[key] = keep_document(Path(entry.path), target / key)
        else:
            chunks.append(key)
    made.update(by_threads(one, chunks, progress, f"keeping {place.dataset.name}"))
    return made
