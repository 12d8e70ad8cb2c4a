"""Removes what nobody uses: chunks without a link, and what dead processes left under way."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from lepton_jlab.data.storage.blobs import Blobs
from lepton_jlab.data.storage.place import STORE
from lepton_jlab.data.storage.workspace import clear_abandoned, locked
from lepton_jlab.errors import NotFoundError


def collect(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Free the space of shared chunks that no dataset and no version in `folder` has any more.

    Others may read and write meanwhile. `dedup`, `drop` and `restore` do it by themselves; it is
    for the time after a dataset was removed by other means.

    Parameters
    ----------
    folder
        That of the datasets.

    Returns
    -------
    dict
        ``files``, ``bytes``: what was removed; ``abandoned``: how many processes had left
        something.

    Raises
    ------
    NotFoundError
        If nothing was deduplicated there.
    """
    store = Path(folder).expanduser().absolute() / STORE
    if not store.is_dir():
        raise NotFoundError(f"No dataset in {folder} shares chunks: there is no {store}.")
    return collect_store(store)


def collect_store(store: Path) -> dict[str, Any]:
    """Free the space of what is not in use in a store; see `collect`."""
    blobs = Blobs(store)
    with locked(store, exclusive=True):
        abandoned = clear_abandoned(store)
        _remove_empty(store / "versions")
    files = size = 0
    for folder in sorted(blobs.folder.iterdir()) if blobs.folder.is_dir() else []:
        # Folder by folder, so that those who write wait for a moment only. Whoever links holds the
        # lock too: what has one link now has nobody who is about to make a second.
        with locked(store, exclusive=True), suppress(FileNotFoundError):
            for entry in list(os.scandir(folder)):
                status = entry.stat(follow_symlinks=False)
                if status.st_nlink == 1:
                    Path(entry.path).unlink()
                    files += 1
                    size += status.st_size
            with suppress(OSError):
                folder.rmdir()
    return {"files": files, "bytes": size, "abandoned": abandoned}


def _remove_empty(versions: Path) -> None:
    """Remove the folders of datasets without versions; a snapshot makes its own again."""
    for folder in [*versions.glob("*"), versions]:
        with suppress(OSError):  # it is not empty, which is how it mostly is
            folder.rmdir()
