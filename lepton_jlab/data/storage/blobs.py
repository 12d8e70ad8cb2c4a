"""Chunks by their content: one file for all that have the same bytes, which hard links share.

The name of such a file is the SHA-256 of its bytes, and it is read only. How many links it has is
how often it is in use, so there is no other account of that which could be wrong.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from lepton_jlab.data.storage.faults import CANNOT_LINK, linked
from lepton_jlab.data.storage.workspace import locked

Identity: TypeAlias = tuple[int, int]

READ_ONLY = 0o444
_SECOND = 10**9


class Blobs:
    """The shared chunks of a store.

    Parameters
    ----------
    store
        The hidden folder ``.lepton``.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self.folder = store / "chunks"

    def path(self, digest: str) -> Path:
        """Return where the bytes with this SHA-256 (in hexadecimal) are, if they are there."""
        return self.folder / digest[:2] / digest[2:]

    def publish(self, file: Path, digest: str) -> bool:
        """Make `file` one with all that have the same bytes.

        Bytes are compared before a file is shared, so that a blob that was damaged, or overwritten
        by another program, does not spread: `file` takes its place. It does also where a blob has
        as many links as the file system allows.

        Parameters
        ----------
        file
            A name in a workspace for complete bytes. Afterwards it is a link to the blob.
        digest
            The SHA-256 of its bytes.

        Returns
        -------
        bool
            Whether it is shared; False where the file system has no hard links.
        """
        seal(file, digest)
        blob, other = self.path(digest), file.with_name(f"{file.name}-blob")
        while True:
            with locked(self.store):
                try:
                    os.link(file, blob)
                except FileNotFoundError:
                    blob.parent.mkdir(parents=True, exist_ok=True)
                    continue
                except FileExistsError:
                    pass
                except OSError as error:
                    if error.errno in CANNOT_LINK:
                        return False
                    raise
                else:
                    return True
                if self._join(file, blob, other):
                    return True

    def _join(self, file: Path, blob: Path, other: Path) -> bool:
        """Make `file` a link to a blob that is there; False if the blob has gone."""
        try:
            os.link(blob, other)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
        else:
            if same_bytes(other, file):
                other.replace(file)
                other.unlink(missing_ok=True)  # both were one file already
                return True
            other.unlink()
        os.link(file, other)
        other.replace(blob)
        return True

    def link(self, digest: str, target: Path) -> bool:
        """Make `target` a link to a blob; False if there is none, or not one as it was published.

        Raises
        ------
        FileExistsError
            If `target` is there.
        """
        if not linked(self.path(digest), target):
            return False
        if sealed(target.stat(), digest):
            return True
        target.unlink()
        return False

    def all(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield the digest and the directory entry of each blob."""
        with suppress(FileNotFoundError), os.scandir(self.folder) as folders:
            for folder in folders:
                with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as blobs:
                    for blob in blobs:
                        yield folder.name + blob.name, blob

    def by_identity(self) -> dict[Identity, str]:
        """Return the digests of all blobs, by which a chunk of a dataset is known as shared."""
        if not self.folder.is_dir():
            return {}
        device = self.folder.stat().st_dev
        return {(device, blob.inode()): digest for digest, blob in self.all()}


def identity(status: os.stat_result) -> Identity:
    """Return by what a file is the same as another: its device and its inode."""
    return status.st_dev, status.st_ino


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def seal(file: Path, digest: str) -> None:
    """Make a file read only, and its time of change one that tells of its bytes.

    The fraction of the second is taken from the digest. Whoever writes into the file sets another,
    so that a look at the time is enough to see that its bytes are as they were.
    """
    status = file.stat()
    if not sealed(status, digest):
        second = status.st_mtime_ns // _SECOND * _SECOND
        os.utime(file, ns=(status.st_atime_ns, second + _fraction(digest)))
    if status.st_mode & 0o777 != READ_ONLY:
        with suppress(PermissionError):  # of another user, who has to protect it
            file.chmod(READ_ONLY)


def sealed(status: os.stat_result, digest: str) -> bool:
    """Whether a file is as it was when it got the seal of these bytes.

    Where times have no nanoseconds it never is, and its bytes are read instead.
    """
    return status.st_mtime_ns % _SECOND == _fraction(digest)


def _fraction(digest: str) -> int:
    return int(digest[:12], 16) % _SECOND


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two files have the same content."""
    with one.open("rb") as first, other.open("rb") as second:
        mine, theirs = os.fstat(first.fileno()), os.fstat(second.fileno())
        if identity(mine) == identity(theirs):
            return True
        if mine.st_size != theirs.st_size:
            return False
        while block := first.read(1 << 20):
            if block != second.read(1 << 20):
                return False
    return True
