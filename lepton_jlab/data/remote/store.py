"""A Zarr store behind a URL: resilient, cached, read only."""

from __future__ import annotations

import asyncio
import hashlib
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Any

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.sync import sync
from zarr.storage import ObjectStore, WrapperStore

from lepton_jlab.data.remote.connect import connect, scheme_of, shown
from lepton_jlab.data.remote.faults import RefusedError
from lepton_jlab.data.remote.gate import MOST
from lepton_jlab.data.remote.link import Answer, Link, Patience
from lepton_jlab.data.remote.transfer import Transfer
from lepton_jlab.data.tiers.hot_disk import copies_of

DOCUMENTS = {"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"}
_LISTING_RETRIES = 5


class RemoteStore(WrapperStore[ObjectStore[Any]]):
    """What is below a URL, as a Zarr store.

    Every read is one or more requests, of which as many are under way at once as the link can use;
    slow ones are made a second time, failed ones again. With a cache, chunks are kept on disk,
    bound to the metadata documents of their arrays as they were when the dataset was opened:
    documents are always asked for, and what was kept under others is not used. Values rewritten in
    place, beneath unchanged documents, are not noticed.

    Pickled, it is its address; another process has connections of its own.

    Parameters
    ----------
    address
        A URL: ``http(s)://``, ``s3://``, ``gs://``.
    cache
        Bytes on disk that the cache may take, 0 for no cache; None: as the file of tiers says.
    patience
        How long a request is tried.
    name
        By which the dataset is known, if not by its address.

    Raises
    ------
    MissingDependencyError
        If obstore is not installed.
    DataError
        If the address is not valid.
    """

    width = MOST
    """Threads that can be kept busy by waiting for `read`, at most."""

    def __init__(
        self,
        address: str,
        cache: int | None = None,
        patience: Patience | None = None,
        name: str = "",
    ) -> None:
        self.address = address
        self.refused: str | None = None  # why the store would not show a document
        self._patience = patience or Patience()
        self._link = Link(address, self._patience)
        self._limit = cache
        self._cache = copies_of(name or address, cache, far=True)
        self._documents: dict[str, str] = {}
        client = connect(address, silence=self._patience.silence, retries=_LISTING_RETRIES)
        super().__init__(ObjectStore(client, read_only=True))

    @property
    def transfer(self) -> Transfer:
        """What was delivered so far, and what the link is like."""
        return self._link.transfer

    # ---- reading

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return what is stored, or None where there is nothing.

        Raises
        ------
        DataError
            When it cannot be had, after the last attempt. It names the address.
        """
        if key.rpartition("/")[2] in DOCUMENTS:
            data = await self._document(key, byte_range)
        else:
            dataset = self._dataset(key)
            data = None
            if dataset:
                data = await asyncio.to_thread(self._kept, dataset, key, byte_range)
            if data is None:
                data = await self._fetch(key, byte_range)
                if dataset and data is not None:
                    await asyncio.to_thread(self._keep, dataset, key, byte_range, data)
        if data is None:
            return None
        return prototype.buffer.from_bytes(data)

    def read(self, key: str, byte_range: ByteRequest | None = None) -> memoryview | None:
        """Return a chunk, or the part of one, as `get` does; wait for it in this thread.

        What is in the cache is read here, without the detour through Zarr's event loop.
        """
        dataset = self._dataset(key)
        if dataset and (kept := self._kept(dataset, key, byte_range)) is not None:
            return kept
        data = sync(self._fetch(key, byte_range))
        if dataset and data is not None:
            self._keep(dataset, key, byte_range, data)
        return data

    def forget(self, key: str, byte_range: ByteRequest | None = None) -> None:
        """Drop a chunk, or the part of one, from the cache, so that it is asked for again."""
        if self._cache and (dataset := self._dataset(key)):
            self._cache.forget(dataset, _name(key, byte_range))

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return several parts at once, as `get` does."""
        return await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))

    async def _get_many(
        self, requests: Iterable[tuple[str, BufferPrototype, ByteRequest | None]]
    ) -> AsyncGenerator[tuple[str, Buffer | None], None]:
        asked = list(requests)
        answers = await asyncio.gather(*(self.get(*request) for request in asked))
        for request, answer in zip(asked, answers, strict=True):
            yield request[0], answer

    async def exists(self, key: str) -> bool:
        """Whether there is an object `key`."""
        return await self._link.fetch(key, {"head": True}) is not None

    async def getsize(self, key: str) -> int:
        """Return the stored size of an object, in bytes."""
        answer = await self._link.fetch(key, {"head": True})
        if answer is None:
            raise FileNotFoundError(key)
        return int(answer.meta["size"])

    async def getsize_prefix(self, prefix: str) -> int:
        """Return the stored size of all objects below `prefix`, in bytes."""
        self._check_listing()
        return await self._store.getsize_prefix(prefix)

    async def _document(self, key: str, byte_range: ByteRequest | None) -> memoryview | None:
        try:
            answer = await self._link.fetch(key, _options(byte_range))
        except RefusedError as error:
            # Where listing is forbidden, stores say "forbidden" of what is not there, and Zarr asks
            # for documents of every version.
            self.refused = str(error)
            return None
        if answer is None:
            self._documents.pop(key, None)
            return None
        self._documents[key] = _identity(answer)
        return memoryview(answer.data)

    async def _fetch(self, key: str, byte_range: ByteRequest | None) -> memoryview | None:
        answer = await self._link.fetch(key, _options(byte_range))
        return None if answer is None else memoryview(answer.data)

    # ---- the cache

    def _dataset(self, key: str) -> str | None:
        """Return what the cache keeps chunk `key` under; None if nothing vouches for it."""
        if self._cache is None:
            return None
        over = [
            mark for name, mark in sorted(self._documents.items()) if key.startswith(_folder(name))
        ]
        return "\n".join([self.address, *over]) if over else None

    def _kept(self, dataset: str, key: str, byte_range: ByteRequest | None) -> memoryview | None:
        if self._cache is None:
            return None
        kept = self._cache.get(dataset, _name(key, byte_range))
        if kept is not None:
            self.transfer.count(hits=1)
        return kept

    def _keep(
        self, dataset: str, key: str, byte_range: ByteRequest | None, data: memoryview
    ) -> None:
        if self._cache is None:
            return
        try:
            self._cache.put(dataset, _name(key, byte_range), data)
        except OSError as error:
            warnings.warn(
                f"The cache in {self._cache.folder} is not used any more: {error}", stacklevel=2
            )
            self._cache = None

    # ---- listing, where stores can

    @property
    def supports_listing(self) -> bool:
        """Whether the store can say what it has: web servers cannot."""
        return scheme_of(self.address) not in ("http", "https")

    def list(self) -> AsyncIterator[str]:
        """List all objects."""
        self._check_listing()
        return super().list()

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """List the objects below `prefix`."""
        self._check_listing()
        return super().list_prefix(prefix)

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List the objects and folders in folder `prefix`."""
        self._check_listing()
        return super().list_dir(prefix)

    def _check_listing(self) -> None:
        if not self.supports_listing:
            raise NotImplementedError(f"{self} cannot be listed, for web servers do not list.")

    # ---- what it is

    @property
    def supports_writes(self) -> bool:
        """False."""
        return False

    @property
    def supports_deletes(self) -> bool:
        """False."""
        return False

    def with_read_only(self, read_only: bool = False) -> RemoteStore:
        """Return this store, which is read only."""
        if not read_only:
            raise ValueError(f"{self} is read only. Write to a folder, and upload that.")
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteStore) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __str__(self) -> str:
        return shown(self.address)

    def __repr__(self) -> str:
        return f"<RemoteStore {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.address, self._limit, self._patience, self._documents)


def _restore(
    address: str, cache: int | None, patience: Patience, documents: dict[str, str]
) -> RemoteStore:
    store = RemoteStore(address, cache, patience)
    store._documents.update(documents)
    return store


def _folder(document: str) -> str:
    return document[: document.rfind("/") + 1]


def _identity(answer: Answer) -> str:
    digest = hashlib.sha256(answer.data).hexdigest()
    return f"{digest} {answer.meta.get('e_tag')} {answer.meta.get('last_modified')}"


def _name(key: str, byte_range: ByteRequest | None) -> str:
    return key if byte_range is None else f"{key} {byte_range}"


def _options(byte_range: ByteRequest | None) -> dict[str, Any]:
    match byte_range:
        case None:
            return {}
        case RangeByteRequest(start, end):
            return {"range": (start, end)}
        case OffsetByteRequest(offset):
            return {"range": {"offset": offset}}
        case SuffixByteRequest(suffix):
            return {"range": {"suffix": suffix}}
    raise TypeError(f"Unexpected byte_range, got {byte_range!r}.")
