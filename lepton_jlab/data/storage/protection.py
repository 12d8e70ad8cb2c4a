"""Whether shared files are safe from programs that write in place, and what is done where not.

A program that overwrites a file in place (zarrs, fsspec's local files) changes it under all of its
names. Read-only files stop a user's programs; they do not stop those of root, nor anybody's where
the file system knows no modes. There a dataset gets files of its own, unless somebody says
otherwise.
"""

from __future__ import annotations

import os
from pathlib import Path

from lepton_jlab.data.storage.blobs import READ_ONLY
from lepton_jlab.data.storage.cloning import can_clone
from lepton_jlab.data.storage.place import Place
from lepton_jlab.data.storage.record import Record
from lepton_jlab.errors import UsageError

WHY = (
    "read-only files do not stop your programs here (you are root, or the file system knows no "
    "modes): one that overwrites files in place (zarrs, fsspec) would change every twin"
)


def stops_writers(folder: Path) -> bool:
    """Whether programs of this user are refused to write into read-only files in `folder`."""
    probe = folder / "probe-mode"
    try:
        probe.touch()
        probe.chmod(READ_ONLY)
        with probe.open("r+b"):
            return False
    except PermissionError:
        return True
    finally:
        probe.unlink(missing_ok=True)


def keeps_private(place: Place, folder: Path, last: Record | None) -> bool:
    """Whether a dataset shall have files of its own, where nobody says how it shall be.

    Parameters
    ----------
    place
        The dataset.
    folder
        A workspace of its store, to try in.
    last
        Its version that counts. What this user has chosen for it holds on; else files are its own
        where that costs nothing (XFS, Btrfs), and where nothing protects shared ones.
    """
    if last is not None and (last.private or _is_mine(place.version(last.name))):
        return last.private
    return can_clone(folder) or not stops_writers(folder)


def check_shareable(folder: Path, force: bool) -> None:
    """Refuse to share files of a dataset where nothing protects them.

    Raises
    ------
    UsageError
        If read-only files do not stop this user's programs, and `force` is not given.
    """
    if not force and not stops_writers(folder):
        raise UsageError(
            f"Chunks are not shared, for {WHY}. Share them all the same, where nothing writes in "
            "that way, with --force (force=True)."
        )


def _is_mine(version: Path) -> bool:
    try:
        return version.stat().st_uid == os.geteuid()
    except FileNotFoundError:  # dropped just now, which is said when it is read
        return True
