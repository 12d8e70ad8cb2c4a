"""Brings chunks of a dataset into its store, by links where the file system can, else by copies."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from lepton_jlab.data.renaming import put_in_place
from lepton_jlab.data.storage.blobs import READ_ONLY, Blobs, digest_of, identity, sealed
from lepton_jlab.data.storage.cloning import copy
from lepton_jlab.data.storage.faults import CANNOT_LINK
from lepton_jlab.data.storage.place import Place
from lepton_jlab.data.storage.workspace import Workspace

_NO_LINKS = (
    "The file system of {store} has no hard links, so nothing is shared: a version is a full copy."
)
_APART = (
    "{dataset} cannot share files with {store} ({why}): its own files stay as they are, versions "
    "are copies that share chunks with each other."
)


@dataclass(slots=True)
class Tally:
    """What came of it.

    Attributes
    ----------
    files, nbytes
        Chunks that were looked at.
    new_files, new_bytes
        Those that the store did not have.
    freed_bytes
        What the dataset's files gave back as others had the same bytes.
    overwritten
        Keys of chunks that another program wrote in place although they were shared.
    note
        What was done instead of links, or "".
    """

    files: int = 0
    nbytes: int = 0
    new_files: int = 0
    new_bytes: int = 0
    freed_bytes: int = 0
    overwritten: list[str] = field(default_factory=list)
    note: str = ""


class Keeping:
    """One pass over the chunks of a dataset.

    Parameters
    ----------
    place
        The dataset.
    work
        Where files are on their way.
    private
        Leave the dataset files of its own, which programs may overwrite in place.
    """

    def __init__(self, place: Place, work: Workspace, private: bool) -> None:
        self.private = private
        self.tally = Tally()
        self._place = place
        self._work = work
        self._blobs = Blobs(place.store)
        self._shared = self._blobs.by_identity()
        self._lock = threading.Lock()

    def keep(self, key: str, target: Path | None = None) -> str:
        """Bring the chunk `key` into the store, and its bytes to `target` too; of any thread.

        Returns
        -------
        str
            The SHA-256 of its bytes.
        """
        file = self._place.dataset / key
        status = file.stat()
        with self._lock:
            self.tally.files += 1
            self.tally.nbytes += status.st_size
        shared = self._shared.get(identity(status))
        is_kept = shared is not None and sealed(status, shared) and not self.private
        if shared and is_kept and (target is None or self._blobs.link(shared, target)):
            return shared
        return self._keep_anew(key, file, target, shared)

    def _keep_anew(self, key: str, file: Path, target: Path | None, shared: str | None) -> str:
        temp = self._work.name()
        linked = self._take(file, temp)
        status = temp.stat()
        digest = digest_of(temp)
        is_shared = self._blobs.publish(temp, digest)
        is_other = temp.stat().st_ino != status.st_ino
        is_joined = linked and is_other and self._join(temp, file, status.st_ino)
        if self.private and shared:
            self._part(temp, file)
        with self._lock:
            if shared and shared != digest:
                self.tally.overwritten.append(key)
            if not is_shared:
                self.tally.note = self.tally.note or _NO_LINKS.format(store=self._place.store)
            if not is_other and identity(status) not in self._shared:
                self.tally.new_files += 1
                self.tally.new_bytes += status.st_size
                self._shared[identity(status)] = digest
            if is_joined and status.st_nlink == 2:  # its own name, and `temp`
                self.tally.freed_bytes += status.st_size
        if target is None:
            temp.unlink()
        else:
            temp.rename(target)
        return digest

    def _take(self, file: Path, temp: Path) -> bool:
        """Make `temp` the file itself, if it may be shared, or a copy; return which."""
        if not self.private and not file.is_symlink():
            try:
                # From here on nobody can put another file in the place of the one that is read.
                os.link(file, temp)
            except OSError as error:
                if error.errno not in CANNOT_LINK | {errno.EMLINK}:
                    raise
                self._explain(error)
            else:
                return True
        copy(file, temp)
        temp.chmod(READ_ONLY)
        return False

    def _explain(self, error: OSError) -> None:
        if not self.tally.note:
            why = os.strerror(error.errno or 0)
            place = self._place
            self.tally.note = _APART.format(dataset=place.dataset, store=place.store, why=why)

    def _join(self, temp: Path, file: Path, inode: int) -> bool:
        """Let the dataset have the file that others have, unless it has a newer one."""
        link = self._work.name()
        try:
            os.link(temp, link)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            return False  # no more links to it; the dataset's own file will do
        put_in_place(link, file, inode)
        return True

    def _part(self, temp: Path, file: Path) -> None:
        """Let the dataset have a file of its own again, unless it has a newer one."""
        own = self._work.name()
        copy(temp, own)
        put_in_place(own, file, temp.stat().st_ino)


def keep_document(file: Path, target: Path) -> str:
    """Copy a document, and return the SHA-256 of what was copied."""
    text = file.read_bytes()
    target.write_bytes(text)
    target.chmod(READ_ONLY)
    return hashlib.sha256(text).hexdigest()
