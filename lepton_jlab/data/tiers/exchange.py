"""Puts one folder in the place of another, so that no reader finds neither; and to the disk."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

from lepton_jlab.data.storage.renaming import exchange


def put(new: Path, place: Path, aside: Path) -> None:
    """Put `new` in `place`; what was there has the name of `new` afterwards.

    In one step on ext4, XFS, Btrfs, ZFS and tmpfs. Where names cannot be exchanged (NFS, many FUSE
    systems) the old is renamed to `aside` first: for that moment there is nothing in `place`, and
    who is killed in it leaves the old at `aside`.

    Raises
    ------
    OSError
        If one of them is not there, or may not be renamed.
    """
    if exchange(new, place):
        return
    place.rename(aside)
    try:
        new.rename(place)
    except BaseException:
        aside.rename(place)
        raise
    aside.rename(new)


def settle(folder: Path) -> None:
    """Return when all that was written to the file system of `folder` is on its disk."""
    sync = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if sync is None or sync(descriptor):
            with contextlib.suppress(OSError):
                os.fsync(descriptor)
            os.sync()
    finally:
        os.close(descriptor)
