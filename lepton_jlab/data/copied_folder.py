"""A folder on a slow disk, of which copies are kept on a fast one."""

from __future__ import annotations

import asyncio
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest

from lepton_jlab.data.cache import Cache
from lepton_jlab.data.folder_store import FolderStore
from lepton_jlab.data.remote.transfer import Transfer
from lepton_jlab.data.storage.files import is_document

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

_WIDTH = 16


class CopiedFolder(FolderStore):
    """Chunks are read from the copies where these are, else from the folder, and kept.

    A copy holds for a file of its size and time of change, which are looked at each time; what is
    written in the folder is seen at once. Read only.

    Parameters
    ----------
    root
        The folder.
    copies
        What keeps them.
    asked
        As it was opened: bytes that the copies may take, or None.
    """

    supports_writes = False
    supports_deletes = False
    width = _WIDTH
    """Threads that can be kept busy by waiting for `read`, at most."""

    def __init__(self, root: Path | str, copies: Cache, asked: int | None = None) -> None:
        super().__init__(root, read_only=True)
        self.transfer = Transfer()
        self._asked = asked
        self._copies: Cache | None = copies
        self._dataset = str(Path(root).resolve())

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return what is stored, or None where there is nothing."""
        if is_document(key):
            return await super().get(key, prototype, byte_range)
        from zarr.core.buffer import default_buffer_prototype

        data = await asyncio.to_thread(self.read, key, byte_range)
        if data is None:
            return None
        return (prototype or default_buffer_prototype()).buffer.from_bytes(data)

    def read(self, key: str, byte_range: ByteRequest | None = None) -> memoryview | None:
        """Return a chunk, or the part of one, or None; wait for it in this thread."""
        try:
            name = self._name(key, byte_range)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if self._copies is not None:
            kept = self._copies.get(self._dataset, name)
            if kept is not None:
                self.transfer.count(hits=1)
                return kept
        data = memoryview(_read(self.root / key, byte_range))
        self.transfer.count(requests=1, size=data.nbytes)
        if self._copies is not None and self._name(key, byte_range) == name:
            try:
                self._copies.put(self._dataset, name, data)
            except OSError as error:
                folder = self._copies.folder
                warnings.warn(f"Copies in {folder} are not kept any more: {error}", stacklevel=2)
                self._copies = None
        return data

    def forget(self, key: str, byte_range: ByteRequest | None = None) -> None:
        """Drop a copy, so that the folder is asked again."""
        if self._copies is not None:
            self._copies.forget(self._dataset, self._name(key, byte_range))

    def _name(self, key: str, byte_range: ByteRequest | None) -> str:
        status = (self.root / key).stat()
        return f"{key} {status.st_size} {status.st_mtime_ns} {status.st_ino} {byte_range}"

    def with_read_only(self, read_only: bool = False) -> Self:
        """Return this store, which is read only."""
        if not read_only:
            raise ValueError(f"{self} is read only here. Write to the folder itself.")
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return open_folder, (str(self.root), self._asked)


def open_folder(where: str, cache: int | None) -> FolderStore:
    """Return the store of a folder, with copies on the hot disk where that pays."""
    from lepton_jlab.data.tiers.hot_disk import copies_of

    copies = copies_of(where, cache)
    return (
        FolderStore(where, read_only=True) if copies is None else CopiedFolder(where, copies, cache)
    )


def _read(path: Path, byte_range: ByteRequest | None) -> bytes:
    with path.open("rb") as file:
        match byte_range:
            case RangeByteRequest(start, end):
                file.seek(start)
                data = file.read(end - start)
                if len(data) < end - start:
                    raise OSError(f"{path} ends before the end of a chunk: it was cut off")
                return data
            case OffsetByteRequest(offset):
                file.seek(offset)
            case SuffixByteRequest(suffix):
                file.seek(max(0, os.fstat(file.fileno()).st_size - suffix))
            case None:
                pass
            case _:
                raise TypeError(f"Unexpected byte_range, got {byte_range!r}.")
        return file.read()
