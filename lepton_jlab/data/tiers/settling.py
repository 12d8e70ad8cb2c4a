"""Waits until what was written is on the disk, before anything that it replaces is removed."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path


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
