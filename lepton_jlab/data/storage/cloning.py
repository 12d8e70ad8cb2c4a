"""Copies of files; free of cost where the file system can share their blocks until one is written.

XFS, Btrfs and bcachefs can, by the call FICLONE. Such a copy is safe from whoever overwrites the
other in place, which a hard link is not.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from pathlib import Path

_FICLONE = 0x40049409  # linux/fs.h


def clone(source: Path, target: Path) -> bool:
    """Make `target` a copy that shares the blocks of `source`; return whether that is possible."""
    with source.open("rb") as old, target.open("xb") as new:
        try:
            fcntl.ioctl(new, _FICLONE, old.fileno())
        except OSError:
            target.unlink()
            return False
    return True


def copy(source: Path, target: Path) -> None:
    """Copy the bytes of `source`, at no cost where that is possible."""
    if not clone(source, target):
        with source.open("rb") as old, target.open("xb") as new:
            shutil.copyfileobj(old, new, 1 << 20)


def can_clone(folder: Path) -> bool:
    """Whether copies in `folder` cost nothing."""
    probe = folder / "probe"
    twin = folder / "probe-twin"
    try:
        probe.write_bytes(b"?" * 4096)
        return clone(probe, twin)
    finally:
        for file in (probe, twin):
            with contextlib.suppress(FileNotFoundError):
                file.unlink()
