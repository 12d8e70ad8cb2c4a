"""Where files cannot be linked: it works by copying, and says so."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.storage.conftest import IMAGES, LABELS, chunk_files, everything, values, write

from lepton_jlab.data.storage import (
    collect,
    dedup,
    drop,
    restore,
    sizes,
    snapshot,
    verify,
    version_folder,
    versions,
)
from lepton_jlab.data.storage.linked_store import LinkedStore
from lepton_jlab.errors import DataError


def live_through(dataset: Path) -> list[str]:
    """Make, change, restore and drop versions; return what was said."""
    before = everything(dataset)
    notes = [snapshot(dataset, "v1", private=False)["note"]]
    array: Any = zarr.open_group(str(dataset), mode="r+")["x"]
    array[5] = 0
    after = everything(dataset)
    notes.append(snapshot(dataset, "v2", private=False)["note"])
    notes.append(dedup(dataset, force=True)["note"])
    assert everything(dataset) == after
    assert np.array_equal(values(version_folder(dataset, "v1"))["x"], IMAGES)
    assert verify(dataset).findings == []
    assert sizes(dataset)["ratio_dedup"] < 1.05
    restore(dataset, "v1")
    assert everything(dataset) == before
    restore(dataset, "v2")
    assert everything(dataset) == after
    drop(dataset, "v1")
    drop(dataset, "v2")
    assert versions(dataset) == []
    collect(dataset.parent)
    return notes


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_no_hard_links(dataset: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(source: Any, target: Any, **_: Any) -> None:
        raise OSError(number, os.strerror(number), str(source), None, str(target))

    monkeypatch.setattr(os, "link", refuse)
    for note in live_through(dataset):
        assert "has no hard links" in note or "cannot share files" in note
        assert "\n" not in note


@pytest.mark.integration
def test_a_dataset_on_a_file_system_of_its_own(
    tmp_path: Path, mounted: Callable[..., Path]
) -> None:
    folder = mounted("-t", "tmpfs", "-o", "size=8m", "tmpfs", at=tmp_path / "a.zarr")
    write(folder)
    note = snapshot(folder, "v1", private=False)["note"]
    assert "cannot share files" in note
    assert "versions are copies that share chunks with each other" in note
    array: Any = zarr.open_group(str(folder), mode="r+")["x"]
    array[5] = 0
    second = snapshot(folder, "v2", private=False)
    assert second["new_bytes"] == (folder / "x/c/0/0/0").stat().st_size
    assert np.array_equal(values(version_folder(folder, "v1"))["x"], IMAGES)
    before = everything(folder)
    with pytest.raises(DataError, match=r"cannot be replaced as a whole.*open_dataset\(path"):
        restore(folder, "v1")
    assert everything(folder) == before
    damaged = folder / "x/c/3/0/0"
    damaged.write_bytes(b"broken")
    assert verify(folder, repair_from="v2").ok
    assert everything(folder) == before
    assert "cannot share files" in dedup(folder, force=True)["note"]


def test_a_store_on_another_file_system_than_the_dataset(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is a symbolic link to another disk."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == dataset.stat().st_dev:
        pytest.skip("there is one file system only")
    store = shm / f"lepton-test-{os.getpid()}"
    store.mkdir()
    (dataset.parent / ".lepton").symlink_to(store)
    try:
        first = snapshot(dataset, "v1", private=False)
        assert "Invalid cross-device link" in first["note"]
        assert snapshot(dataset, "v2", private=False)["new_bytes"] == 0
        assert np.array_equal(values(version_folder(dataset, "v2"))["y"], LABELS)
        assert all(s.st_nlink == 1 for s in chunk_files(dataset).values())
    finally:
        subprocess.run(["rm", "-rf", store], check=True)


def test_writing_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    store = LinkedStore(tmp_path / "a.zarr", force=True)
    array: Any = zarr.create_group(store).create_array(
        "x", shape=IMAGES.shape, dtype="u1", chunks=(20, 8, 8)
    )
    monkeypatch.setattr(os, "link", refuse)
    array[:] = IMAGES
    assert np.array_equal(values(tmp_path / "a.zarr")["x"], IMAGES)
