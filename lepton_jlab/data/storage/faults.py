"""What the system refuses, in words; and which refusals mean that files cannot be shared."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lepton_jlab.errors import DataError

# What `link` answers where there are no hard links, across file systems, and for the files of
# another user where the kernel protects these (fs.protected_hardlinks).
CANNOT_LINK = {errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def linked(file: Path, target: Path) -> bool:
    """Make `target` a hard link to `file`; False if there is no file, or no link can be made.

    Raises
    ------
    FileExistsError
        If `target` is there.
    """
    try:
        os.link(file, target)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in CANNOT_LINK or error.errno == errno.EMLINK:
            return False
        raise
    return True


@contextmanager
def explained(doing: str, folder: Path, kept: str) -> Iterator[None]:
    """Turn what the system refuses into a sentence.

    Parameters
    ----------
    doing
        What was being done, as ``"a snapshot of fashion.zarr"``.
    folder
        Where files were written.
    kept
        What is as it was before.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            why = f"there is no room left in {folder}"
            then = "Make room, or drop a version, and try again."
        else:
            where = f" ({error.filename})" if error.filename else ""
            why, then = f"{error.strerror or error}{where}", "Nothing else has to be undone."
        raise DataError(f"{doing} was given up: {why}; {kept}. {then}") from error
