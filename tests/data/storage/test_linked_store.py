"""The store for writing: a Zarr store in every respect, and equal chunks are one file at once."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.storage.conftest import IMAGES, chunk_files, values, write
from zarr.core.buffer import Buffer, cpu
from zarr.testing.store import StoreTests

from lepton_jlab.data.storage import collect, dedup, snapshot, version_folder
from lepton_jlab.data.storage.linked_store import LinkedStore


@pytest.fixture
def anyio_backend() -> str:
    """What runs the coroutines of Zarr's own tests."""
    return "asyncio"


@pytest.mark.anyio
class TestStore(StoreTests[LinkedStore, cpu.Buffer]):
    """Zarr's own tests of a store."""

    store_cls = LinkedStore
    buffer_cls = cpu.Buffer

    async def get(self, store: LinkedStore, key: str) -> Buffer:
        return self.buffer_cls.from_bytes((store.root / key).read_bytes())

    async def set(self, store: LinkedStore, key: str, value: Buffer) -> None:
        file = store.root / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(value.to_bytes())

    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "a.zarr").mkdir()
        return {"root": tmp_path / "a.zarr", "force": True}

    @pytest.fixture
    def store(self, store_kwargs: dict[str, Any]) -> LinkedStore:
        return asyncio.run(LinkedStore.open(**store_kwargs))

    @pytest.fixture
    def store_not_open(self, store_kwargs: dict[str, Any]) -> LinkedStore:
        return LinkedStore(**store_kwargs)

    def test_store_repr(self, store: LinkedStore) -> None:
        assert str(store) == f"file://{store.root}"
        assert repr(store) == f"LinkedStore('file://{store.root}')"

    def test_store_supports_writes(self, store: LinkedStore) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: LinkedStore) -> None:
        assert store.supports_listing


def write_to(store: LinkedStore, x: Any = IMAGES) -> Any:
    group = zarr.create_group(store)
    array = group.create_array("x", shape=x.shape, dtype=x.dtype, chunks=(20, *x.shape[1:]))
    array[:] = x
    return array


def test_what_is_written_is_shared_at_once(tmp_path: Path) -> None:
    dedup(write(tmp_path / "b.zarr"), force=True)
    write_to(LinkedStore(tmp_path / "a.zarr", force=True))
    mine, theirs = chunk_files(tmp_path / "a.zarr"), chunk_files(tmp_path / "b.zarr")
    assert all(mine[key].st_ino == theirs[key].st_ino for key in mine)
    assert np.array_equal(values(tmp_path / "a.zarr")["x"], IMAGES)


def test_writing_over_a_shared_chunk_leaves_its_twins(tmp_path: Path) -> None:
    array = write_to(LinkedStore(tmp_path / "a.zarr", force=True))
    snapshot(tmp_path / "a.zarr", "v1", private=False)
    array[5] = 0
    array.resize((410, 8, 8))
    array[400:] = 1
    assert np.array_equal(values(version_folder(tmp_path / "a.zarr", "v1"))["x"], IMAGES)
    now = values(tmp_path / "a.zarr")["x"]
    assert np.all(now[5] == 0)
    assert np.all(now[400:] == 1)


def test_writing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    array = write_to(LinkedStore(tmp_path / "a.zarr", force=True))
    before = {key: s.st_ino for key, s in chunk_files(tmp_path / "a.zarr").items()}
    array[:] = IMAGES
    assert {key: s.st_ino for key, s in chunk_files(tmp_path / "a.zarr").items()} == before


def test_nothing_stays_of_a_store_that_is_gone(tmp_path: Path) -> None:
    store = LinkedStore(tmp_path / "a.zarr", force=True)
    array = write_to(store)
    twins = [copy.copy(store), pickle.loads(pickle.dumps(store)), store.with_read_only(True)]
    assert all(twin == store for twin in twins)
    size = (tmp_path / "a.zarr" / "x/c/0/0/0").stat().st_size
    store.close()
    assert not any((tmp_path / ".lepton" / "incoming").glob("*"))
    array[5] = 0  # it can go on
    store.close()
    assert collect(tmp_path) == {"files": 1, "bytes": size, "abandoned": 0}


def test_nothing_stays_of_a_process_that_ends(tmp_path: Path) -> None:
    code = """
import sys, zarr
from lepton_jlab.data.storage.linked_store import LinkedStore
store = LinkedStore(sys.argv[1], force=True)
zarr.create_group(store).create_array("x", shape=(9,), dtype="u1")[:] = 1
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.zarr")]
    subprocess.run(command, check=True, timeout=60)
    assert list((tmp_path / ".lepton" / "incoming").iterdir()) == []


def test_shards_and_single_arrays(tmp_path: Path) -> None:
    array: Any = zarr.create_array(
        LinkedStore(tmp_path / "a.zarr", force=True),
        shape=IMAGES.shape,
        dtype="u1",
        chunks=(10, 8, 8),
        shards=(100, 8, 8),
    )
    array[:] = IMAGES
    array[150] = 0
    assert [s.st_nlink for s in chunk_files(tmp_path / "a.zarr").values()] == [2, 2, 2, 2]
    assert np.array_equal(array[:150], IMAGES[:150])
