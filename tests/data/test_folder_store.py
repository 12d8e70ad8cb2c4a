"""The store of folders passes Zarr's own tests of a store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from zarr.core.buffer import Buffer, cpu
from zarr.testing.store import StoreTests

from lepton_jlab.data.folder_store import FolderStore


@pytest.fixture
def anyio_backend() -> str:
    """What runs the coroutines of Zarr's own tests."""
    return "asyncio"


@pytest.mark.anyio
class TestStore(StoreTests[FolderStore, cpu.Buffer]):
    """Zarr's own tests of a store."""

    store_cls = FolderStore
    buffer_cls = cpu.Buffer

    async def get(self, store: FolderStore, key: str) -> Buffer:
        return self.buffer_cls.from_bytes((store.root / key).read_bytes())

    async def set(self, store: FolderStore, key: str, value: Buffer) -> None:
        file = store.root / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(value.to_bytes())

    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        return {"root": str(tmp_path)}

    @pytest.fixture
    def store(self, store_kwargs: dict[str, Any]) -> FolderStore:
        return asyncio.run(FolderStore.open(**store_kwargs))

    @pytest.fixture
    def store_not_open(self, store_kwargs: dict[str, Any]) -> FolderStore:
        return FolderStore(**store_kwargs)

    def test_store_repr(self, store: FolderStore) -> None:
        assert str(store) == f"file://{store.root}"
        assert repr(store) == f"LocalStore('file://{store.root}')"  # which is what it is to people

    def test_store_supports_writes(self, store: FolderStore) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: FolderStore) -> None:
        assert store.supports_listing
