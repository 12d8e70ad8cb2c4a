"""A Zarr store for writing into a folder, in which equal chunks are one file from the beginning."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import weakref
from pathlib import Path
from typing import Any, Self

from zarr.core.buffer import Buffer
from zarr.storage import LocalStore

from lepton_jlab.data.storage.blobs import READ_ONLY, Blobs
from lepton_jlab.data.storage.faults import CANNOT_LINK
from lepton_jlab.data.storage.files import is_document
from lepton_jlab.data.storage.place import STORE
from lepton_jlab.data.storage.protection import stops_writers
from lepton_jlab.data.storage.workspace import Workspace


class LinkedStore(LocalStore):
    """A folder like that of `zarr.storage.LocalStore`, which shares its chunks as it is written.

    Each chunk that is set is compared with those that datasets in the same folder share already,
    and becomes a link to one with the same bytes. A chunk is complete before it gets its name, and
    one that was there is never written into, so what shares it keeps it (copy on write). The codec
    pipeline of zarrs, which writes files in place, does not know this store and leaves the writing
    to zarr-python. Where the file system has no hard links it writes like `LocalStore`, and where
    read-only files do not stop programs that write in place, as those of root.

    Parameters
    ----------
    root
        The folder of the dataset.
    read_only
        Refuse to write.
    force
        Share although nothing protects shared files; for who knows that nothing writes in place.
    """

    def __init__(self, root: Path | str, *, read_only: bool = False, force: bool = False) -> None:
        super().__init__(Path(root), read_only=read_only)
        self._force = force
        store = self.root.expanduser().absolute().resolve().parent / STORE
        self._blobs = Blobs(store)
        self._work: Workspace | None = None
        self._lock = threading.Lock()
        self._can_link = True

    @classmethod
    async def open(
        cls, root: Path | str, *, read_only: bool = False, mode: Any = None, force: bool = False
    ) -> Self:
        """Make the store and open it, as `LocalStore.open` does."""
        store = await super().open(root, read_only=read_only, mode=mode)
        store._force = force
        return store

    def __repr__(self) -> str:
        return f"LinkedStore('{self}')"

    def __getstate__(self) -> dict[str, object]:
        return {"root": self.root, "read_only": self.read_only, "force": self._force}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # a workspace is of one process

    def with_read_only(self, read_only: bool = False) -> Self:
        """Return a store of the same folder."""
        return type(self)(self.root, read_only=read_only, force=self._force)

    def set_sync(self, key: str, value: Buffer) -> None:
        """Store `value`; wait for it in this thread."""
        if not self._is_linked(key, value):
            super().set_sync(key, value)
            return
        self._ensure_open_sync()
        self._check_writable()
        if not self._put(self.root / key, value):
            super().set_sync(key, value)

    async def _set(self, key: str, value: Buffer, exclusive: bool = False) -> None:
        if self._is_linked(key, value):
            if not self._is_open:
                await self._open()
            self._check_writable()
            if await asyncio.to_thread(self._put, self.root / key, value, exclusive):
                return
        await super()._set(key, value, exclusive)

    def close(self) -> None:
        """Remove what is under way."""
        if self._work is not None:
            self._work.close()
        self._work = None
        super().close()

    def _is_linked(self, key: str, value: Buffer) -> bool:
        return self._can_link and not is_document(key) and isinstance(value, Buffer)

    def _put(self, path: Path, value: Buffer, exclusive: bool = False) -> bool:
        """Write a chunk and share it; False if that cannot be here."""
        data = value.as_buffer_like()
        work = self._workspace()
        if not self._can_link:
            return False
        temp = work.name()
        try:
            with temp.open("xb") as file:
                file.write(data)
                os.fchmod(file.fileno(), READ_ONLY)
            if not self._blobs.publish(temp, hashlib.sha256(data).hexdigest()):
                self._can_link = False
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            if exclusive:
                os.link(temp, path)
            else:
                temp.replace(path)
        except OSError as error:
            if error.errno not in CANNOT_LINK:
                raise
            self._can_link = False
            return False
        finally:
            temp.unlink(missing_ok=True)  # also where it was the file of that name already
        return True

    def _workspace(self) -> Workspace:
        with self._lock:  # chunks come by several threads
            if self._work is None or self._work.owner != os.getpid():  # after a fork
                self._work = Workspace(self._blobs.store)
                self._can_link &= self._force or stops_writers(self._work.folder)
                weakref.finalize(self, self._work.close)
            return self._work
