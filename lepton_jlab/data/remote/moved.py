"""Opens a dataset by its name on this machine, of which the chunks are in an object store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from functools import cached_property
from pathlib import Path
from typing import Any

from zarr.abc.store import ByteRequest
from zarr.storage import LocalStore

from lepton_jlab.data.elsewhere import Elsewhere
from lepton_jlab.data.remote.store import DOCUMENTS, RemoteStore
from lepton_jlab.data.store import is_zarr
from lepton_jlab.errors import DataError


class MovedStore(RemoteStore):
    """Metadata of a folder, chunks of an object store; read only.

    Opening it asks the object store for nothing. An object that should be there and is not is an
    error, and not the fill value.

    Parameters
    ----------
    moved
        Where the chunks are.
    cache
        Bytes on disk that may be used to keep what is read, as for `RemoteStore`.
    """

    def __init__(self, moved: Elsewhere, cache: int | None = None) -> None:
        super().__init__(moved.url, cache, name=str(moved.folder))
        self._moved = moved
        self._local = LocalStore(moved.folder, read_only=True)

    async def _document(self, key: str, byte_range: ByteRequest | None) -> memoryview | None:
        from zarr.core.buffer import default_buffer_prototype

        found = await self._local.get(key, default_buffer_prototype(), byte_range)
        if found is None:
            return None
        data = found.to_bytes()
        self._documents[key] = hashlib.sha256(data).hexdigest()
        return memoryview(data)

    async def _fetch(self, key: str, byte_range: ByteRequest | None) -> memoryview | None:
        data = await super()._fetch(key, byte_range)
        if data is None and key in self._keys:
            raise DataError(
                f"{self}/{key} is gone, though {self._moved.folder} has its chunks there. Restore "
                "it in the bucket, or the dataset from a copy."
            )
        return data

    async def exists(self, key: str) -> bool:
        """Whether there is an object `key`."""
        if key.rpartition("/")[2] in DOCUMENTS:
            return await self._local.exists(key)
        return await super().exists(key)

    async def getsize_prefix(self, prefix: str) -> int:
        """Return the stored size of all objects below `prefix`, in bytes."""
        path = prefix.rstrip("/")
        known = self._moved.stored.get(path) if path else self._moved.nbytes
        return await super().getsize_prefix(prefix) if known is None else known

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List the objects and folders in folder `prefix`; of groups, what is in them."""
        folder = self._moved.folder / prefix
        if _is_group(folder):
            for entry in sorted(folder.iterdir()):
                if entry.name in DOCUMENTS or is_zarr(entry):
                    yield entry.name
            return
        async for name in super().list_dir(prefix):
            yield name

    @cached_property
    def _keys(self) -> set[str]:
        return set(self._moved.sizes())

    def __reduce__(self) -> tuple[Any, ...]:
        return MovedStore, (self._moved, self._limit)


def _is_group(folder: Path) -> bool:
    try:
        document = json.loads((folder / "zarr.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("node_type") == "group"
