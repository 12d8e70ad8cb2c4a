"""Zarr's own tests of a store, for those that Lepton reads by, and the one that it uploads by."""

from __future__ import annotations

import functools
import pickle
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from webserver import WebServer
from zarr.core.buffer import Buffer, cpu
from zarr.testing.store import StoreTests

from lepton_jlab.data.cache import Cache
from lepton_jlab.data.copied_folder import CopiedFolder
from lepton_jlab.data.elsewhere import NAME, Elsewhere
from lepton_jlab.data.remote.connect import connect
from lepton_jlab.data.remote.moved import MovedStore
from lepton_jlab.data.remote.store import DOCUMENTS, RemoteStore
from lepton_jlab.data.remote.uploads import Uploads

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


@pytest.fixture
def anyio_backend() -> str:
    """What runs the coroutines of Zarr's own tests."""
    return "asyncio"


class ReadOnly(StoreTests[Any, cpu.Buffer]):
    """Zarr's tests, of which those that write see it refused."""

    __test__ = False
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store(self, store_kwargs: dict[str, Any]) -> Any:
        """One that lets the tests write, into its files."""
        store = self.store_cls(**store_kwargs)
        store.set = functools.partial(self.set, store)
        store._set_many = functools.partial(self.set_many, store)
        return store

    @pytest.fixture
    def store_not_open(self, store_kwargs: dict[str, Any]) -> Any:
        return self.store_cls(**store_kwargs)

    def folder(self, store: Any, key: str) -> Path:
        """Return where the files of a store are."""
        raise NotImplementedError

    async def set(self, store: Any, key: str, value: Buffer) -> None:
        file = self.folder(store, key) / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(value.to_bytes())

    async def set_many(self, store: Any, values: Iterable[tuple[str, Buffer]]) -> None:
        for key, value in values:
            await self.set(store, key, value)

    async def get(self, store: Any, key: str) -> Buffer:
        return self.buffer_cls.from_bytes((self.folder(store, key) / key).read_bytes())

    async def test_nothing_is_written(self, store_not_open: Any) -> None:
        store = store_not_open
        await self.set(store, "foo", self.buffer_cls.from_bytes(b"bar"))
        for change in (
            store.set("foo", self.buffer_cls.from_bytes(b"other")),
            store.set_if_not_exists("new", self.buffer_cls.from_bytes(b"other")),
            store.delete("foo"),
        ):
            with pytest.raises((ValueError, NotImplementedError)):
                await change
        assert (await self.get(store, "foo")).to_bytes() == b"bar"
        assert store.read_only
        assert not store.supports_writes
        with pytest.raises(ValueError, match="is read only"):
            store.with_read_only(read_only=False)

    async def test_serializable_store(self, store_not_open: Any) -> None:
        again = pickle.loads(pickle.dumps(store_not_open))
        assert again == store_not_open
        assert again.read_only

    def test_store_repr(self, store: Any) -> None:
        assert type(store).__name__ in repr(store) or str(store) in repr(store)

    def test_store_supports_listing(self, store: Any) -> None:
        assert store.supports_listing

    def test_store_read_only(self, store: Any) -> None:
        assert store.read_only

    test_store_supports_writes = None
    test_store_open_read_only = test_store_context_manager = None
    test_read_only_store_raises = test_with_read_only_store = None
    test_set = test_set_many = test_set_not_open = test_set_if_not_exists = None
    test_delete = test_delete_dir = test_clear = None
    test_delete_nonexistent_key_does_not_raise = None
    test_set_sync = test_delete_sync = test_delete_sync_missing = None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder of buckets, and the address of its server."""
    folder = tmp_path_factory.mktemp("s3")
    with WebServer(folder) as server:
        yield folder, server.url


class TestRemoteStore(ReadOnly):
    """A bucket."""

    __test__ = True
    store_cls: Any = RemoteStore

    @pytest.fixture
    def address(self, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
        folder, url = served
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
        name = f"bucket/{uuid.uuid4().hex}.zarr"
        self.root = folder / name
        self.root.mkdir(parents=True)
        return f"s3://{name}"

    @pytest.fixture
    def store_kwargs(self, address: str) -> dict[str, Any]:
        return {"address": address}

    def folder(self, _store: Any, _key: str) -> Path:
        return self.root


class TestMovedStore(TestRemoteStore):
    """A bucket, of which the documents are here."""

    store_cls: Any = MovedStore

    @pytest.fixture
    def store_kwargs(self, address: str, tmp_path: Path) -> dict[str, Any]:
        self.here = tmp_path
        (tmp_path / NAME).write_text('{"refs": {}}')
        return {"moved": Elsewhere(tmp_path, address, 0, {})}

    async def set(self, store: Any, key: str, value: Buffer) -> None:
        await super().set(store, key, value)
        if key.rpartition("/")[2] in DOCUMENTS:  # which are in both places
            (self.here / key).parent.mkdir(parents=True, exist_ok=True)
            (self.here / key).write_bytes(value.to_bytes())


class TestCopiedFolder(ReadOnly):
    """A folder with copies; each key is read once more from these."""

    __test__ = True
    store_cls: Any = CopiedFolder

    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "a.zarr").mkdir()
        return {"root": tmp_path / "a.zarr", "copies": Cache(tmp_path / "copies", 10**6)}

    test_serializable_store = None  # it depends on the disks: tests/data/tiers/test_hot_disk.py

    def folder(self, store: Any, _key: str) -> Path:
        root: Path = store.root
        return root


class TestUploads(StoreTests[Uploads, cpu.Buffer]):
    """A bucket that is written to."""

    store_cls = Uploads
    buffer_cls = cpu.Buffer

    async def set(self, store: Uploads, key: str, value: Buffer) -> None:
        await store.store.put_async(key, value.to_bytes())

    async def get(self, store: Uploads, key: str) -> Buffer:
        found = await store.store.get_async(key)
        return self.buffer_cls.from_bytes(bytes(await found.bytes_async()))

    @pytest.fixture
    def store_kwargs(
        self, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
    ) -> dict[str, Any]:
        monkeypatch.setenv("AWS_ENDPOINT_URL", served[1])
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
        return {"store": connect(f"s3://bucket/{uuid.uuid4().hex}.zarr", silence=10.0)}

    @pytest.fixture
    def store(self, store_kwargs: dict[str, Any]) -> Uploads:
        return Uploads(**store_kwargs)

    def test_store_repr(self, store: Uploads) -> None:
        assert "S3Store" in repr(store)

    def test_store_supports_writes(self, store: Uploads) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: Uploads) -> None:
        assert store.supports_listing
