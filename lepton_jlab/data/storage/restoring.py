"""Makes a dataset what it was in a version, as a whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from lepton_jlab.data.parallel import Progress, silent
from lepton_jlab.data.renaming import replace_folder
from lepton_jlab.data.storage.blobs import digest_of, sealed
from lepton_jlab.data.storage.cloning import copy
from lepton_jlab.data.storage.collecting import collect_store
from lepton_jlab.data.storage.faults import explained, linked
from lepton_jlab.data.storage.files import is_document
from lepton_jlab.data.storage.place import Place, find_version, place_of
from lepton_jlab.data.storage.protection import keeps_private
from lepton_jlab.data.storage.record import Record, digests, read_record, records
from lepton_jlab.data.storage.workspace import Workspace
from lepton_jlab.errors import DataError


def restore(
    path: str | os.PathLike[str],
    name: str,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make a dataset what it was in a version, in one step.

    Parameters
    ----------
    path
        The folder of the dataset.
    name
        Of the version.
    force
        Do it although the present state is in no version, and is lost.
    progress
        Called with (done, in all, what is being done) after each file.

    Returns
    -------
    dict
        ``name``, ``files``, and ``lost``: how many files of the former state no version has.

    Raises
    ------
    NotFoundError
        If there is no such dataset or version.
    DataError
        If the present state would be lost and `force` is not given, if the version is damaged, or
        it could not be done; then all is as it was.
    """
    place = place_of(path)
    record = read_record(place, name)
    report = progress or silent
    lost = _unsaved(place, report)
    if lost and not force:
        raise DataError(
            f"{place.dataset.name} has {len(lost)} files that are in no version, such as {lost[0]}."
            f" Keep them: %lepton data snapshot {place.dataset.name} NAME; or give them up with "
            "--force (force=True)."
        ).unless_forced()
    doing = f"Restoring {name!r} of {place.dataset.name}"
    kept = "the dataset is as it was"
    with explained(doing, place.store.parent, kept), Workspace(place.store) as work:
        new = work.folder / "restored"
        _rebuild(place, record, new, keeps_private(place, work.folder, record), report)
        shutil.copystat(place.dataset, new)
        _take_place(new, place.dataset)
    collect_store(place.store)
    return {"name": name, "files": len(record.files), "lost": len(lost)}


def _unsaved(place: Place, progress: Progress) -> list[str]:
    """Return the keys of files of the present state that are in no version at that key."""
    kept = [record.files for record in records(place)]
    now = digests(place, progress=progress)
    if any(dict(files) == now for files in kept):
        return []
    unsaved = [key for key, digest in now.items() if all(f.get(key) != digest for f in kept)]
    return unsaved or ["the whole of it"]


def _rebuild(place: Place, record: Record, new: Path, private: bool, progress: Progress) -> None:
    """Make in `new` the dataset of a version, of which each file is as it was recorded."""
    source = find_version(place, record.name) / place.dataset.name
    for done, (key, digest) in enumerate(record.files.items()):
        progress(done, len(record.files), f"restoring {place.dataset.name}")
        file, target = source / key, new / key
        target.parent.mkdir(parents=True, exist_ok=True)
        if not is_document(key) and not private and linked(file, target):
            status = target.stat()
            if not sealed(status, digest) and digest_of(target) != digest:
                raise _damaged(place, record, key)
            continue
        if not file.is_file():
            raise _damaged(place, record, key)
        copy(file, target)
        if digest_of(target) != digest:
            raise _damaged(place, record, key)


def _damaged(place: Place, record: Record, key: str) -> DataError:
    find_version(place, record.name)  # which says so if it was dropped just now
    name = place.dataset.name
    return DataError(
        f"Version {record.name!r} of {name} is damaged: {key} is missing or not as it was. "
        f"{name} is unchanged. Repair it from a copy: %lepton data verify {name} --repair-from COPY"
    )


def _take_place(new: Path, dataset: Path) -> None:
    """Put a folder in the place of a dataset, in one step where the system can."""
    try:
        replace_folder(new, dataset, _aside(dataset))
    except OSError as error:
        raise DataError(
            f"{dataset} cannot be replaced as a whole ({error.strerror}), as where a disk of its "
            "own is mounted. Open the version instead: lepton.open_dataset(path, version=NAME)."
        ) from error


def _aside(dataset: Path) -> Path:
    """Return where an import looks for a dataset too whose replacement was cut off."""
    return dataset.with_name(f".{dataset.name}.replaced")
