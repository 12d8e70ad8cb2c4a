"""Stored bytes by key: from a folder of this machine directly, else from the dataset's store."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lepton_jlab.data.store import is_zarr
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray
    from zarr.abc.store import ByteRequest

    Bytes = NDArray[np.uint8]


class Fetcher(Protocol):
    """Reads stored bytes; called by many threads at once.

    Attributes
    ----------
    width
        How many calls at once are of use; None where each keeps a core busy.
    transfer
        What a remote store counts, or None.
    """

    width: int | None
    transfer: Any

    def get(self, key: str, start: int = 0, stop: int | None = None) -> Bytes | None:
        """Return bytes, good until this thread's next call, or None if there is no such key.

        A negative `start` counts from the end.
        """

    def forget(self, key: str, start: int = 0, stop: int | None = None) -> bool:
        """Drop a kept copy, as it is damaged; return whether asking again may help."""

    def address(self, key: str) -> str:
        """Return where the bytes are, for people."""


def fetcher(array: zarr.Array[Any]) -> Fetcher:
    """Return what reads the bytes of `array`, its keys relative to the array."""
    from zarr.storage import LocalStore

    store = array.store_path.store
    if isinstance(store, LocalStore) and not hasattr(store, "read"):  # else it keeps copies
        return _Folder(store.root / array.store_path.path)
    return _Store(store, array.store_path.path)


class _Folder:
    """Files, read into one buffer a thread."""

    width: int | None = None
    transfer: Any = None

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._local = threading.local()

    def get(self, key: str, start: int = 0, stop: int | None = None) -> Bytes | None:
        try:
            file = os.open(f"{self._folder}/{key}", os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            if not is_zarr(Path(self._folder)):  # without its metadata it is no array any more
                raise DataError(
                    f"{self._folder} was moved or removed while it was read; open it again."
                ) from None
            return None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise DataError(
                f"{self._folder} was moved to an object store while it was read; open it again."
            ) from None
        try:
            size = os.fstat(file).st_size
            begin = max(0, size + start) if start < 0 else start
            length = max(0, (size if stop is None else min(stop, size)) - begin)
            buffer = self._buffer(length)
            read = os.preadv(file, [buffer.data], begin)
            while 0 < read < length:  # a signal, or more than one call may read
                more = os.preadv(file, [buffer[read:].data], begin + read)
                if not more:
                    break
                read += more
            return buffer[:read]
        finally:
            os.close(file)

    def forget(self, key: str, start: int = 0, stop: int | None = None) -> bool:  # noqa: ARG002
        return False

    def address(self, key: str) -> str:
        return f"{self._folder}/{key}"

    def _buffer(self, length: int) -> Bytes:
        held = getattr(self._local, "buffer", None)
        if held is None or len(held) < length:
            held = self._local.buffer = np.empty(length * 9 // 8, np.uint8)
        return held[:length]


class _Store:
    """Any other Zarr store: a zip file, or a remote one with retries and a cache of its own."""

    def __init__(self, store: Any, path: str) -> None:
        self._store = store
        self._prefix = f"{path}/" if path else ""
        self.width = getattr(store, "width", None)
        self.transfer = getattr(store, "transfer", None)
        self._read = getattr(store, "read", None)  # a remote store's way for threads

    def get(self, key: str, start: int = 0, stop: int | None = None) -> Bytes | None:
        wanted = _byte_range(start, stop)
        if self._read is not None:
            found = self._read(self._prefix + key, wanted)
            return None if found is None else np.frombuffer(found, np.uint8)
        return self._get(self._prefix + key, wanted)

    def _get(self, key: str, wanted: ByteRequest | None) -> Bytes | None:
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        buffer = sync(self._store.get(key, default_buffer_prototype(), wanted))
        return None if buffer is None else buffer.as_numpy_array().view(np.uint8)

    def forget(self, key: str, start: int = 0, stop: int | None = None) -> bool:
        if not hasattr(self._store, "forget"):
            return False
        self._store.forget(self._prefix + key, _byte_range(start, stop))
        return True

    def address(self, key: str) -> str:
        return f"{self._store}/{self._prefix}{key}"


def _byte_range(start: int, stop: int | None) -> ByteRequest | None:
    from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest

    if start < 0:
        return SuffixByteRequest(-start)
    if stop is not None:
        return RangeByteRequest(start, stop)
    return OffsetByteRequest(start) if start else None
