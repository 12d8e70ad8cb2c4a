"""Exchanges two files or folders in one step, so that neither name is ever missing."""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from pathlib import Path
from typing import Any

_EXCHANGE = 2  # RENAME_EXCHANGE of Linux; RENAME_SWAP of macOS is 2 too
_HERE = -100  # AT_FDCWD
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


def exchange(one: Path, other: Path) -> bool:
    """Let two names change places, at once.

    Returns
    -------
    bool
        Whether it was done; False where the system or the file system cannot.

    Raises
    ------
    OSError
        If one of them is not there, or may not be renamed.
    """
    rename = _rename()
    if rename is None:
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def replace_folder(new: Path, place: Path, aside: Path) -> None:
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


def put_in_place(new: Path, file: Path, expected: int) -> None:
    """Put `new` in the place of `file`, unless another program has written `file` meanwhile.

    Parameters
    ----------
    new
        A file with the same bytes; gone afterwards.
    file
        Where it goes.
    expected
        The inode whose bytes `new` has. What was written since wins.
    """
    placed = new.stat().st_ino
    if placed == expected:
        new.unlink()
        return
    if not exchange(new, file):
        if file.stat().st_ino == expected:
            new.replace(file)
        else:
            new.unlink()
        return
    found = new.stat().st_ino
    while found not in (expected, placed):  # written since: that goes back to its place
        exchange(new, file)
        expected, placed, found = placed, found, new.stat().st_ino
    new.unlink()


@cache
def _rename() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    return getattr(library, "renameat2", None) or getattr(library, "renameatx_np", None)
