"""No room left, in the middle of it: a clear error, and all is as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.storage.conftest import IMAGES, chunk_files, everything, values, write

from lepton_jlab.data.storage import collect, dedup, export, restore, snapshot, verify, versions
from lepton_jlab.data.storage.place import STORE
from lepton_jlab.errors import DataError

SMALL = np.random.default_rng(0).integers(0, 256, (400, 16, 16), dtype=np.uint8)


@pytest.fixture
def disk(tmp_path: Path, mounted: Callable[..., Path]) -> Path:
    """A real file system of 1 MiB, a tenth of it taken by a dataset."""
    folder = mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=tmp_path / "disk")
    write(folder / "a.zarr", SMALL)
    return folder


def fill(disk: Path, leave: int) -> Path:
    """Leave so many bytes, in whole blocks."""
    left = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(b"\0" * max(0, left.f_bavail * left.f_bsize - leave))
    return filler


@pytest.mark.integration
@pytest.mark.parametrize("leave", [0, 4096, 40960])
def test_a_private_snapshot_that_does_not_fit(disk: Path, leave: int) -> None:
    snapshot(disk / "a.zarr", "v1", private=True)
    write_anew(disk / "a.zarr")
    before, made = everything(disk / "a.zarr"), versions(disk / "a.zarr")
    filler = fill(disk, leave)
    with pytest.raises(DataError, match=r"snapshot 'v2' .* no room left .* as they were"):
        snapshot(disk / "a.zarr", "v2")
    filler.unlink()
    assert everything(disk / "a.zarr") == before
    assert versions(disk / "a.zarr") == made
    assert verify(disk / "a.zarr").findings == []
    collect(disk)
    assert not any((disk / STORE / "incoming").glob("*/*"))
    snapshot(disk / "a.zarr", "v2")


def write_anew(folder: Path) -> None:
    array: Any = zarr.open_group(str(folder), mode="r+")["x"]
    array[:] = SMALL[::-1]


@pytest.mark.integration
def test_a_restore_that_does_not_fit(disk: Path) -> None:
    snapshot(disk / "a.zarr", "v1", private=True)
    write_anew(disk / "a.zarr")
    before = everything(disk / "a.zarr")
    filler = fill(disk, 40960)
    with pytest.raises(DataError, match=r"Restoring 'v1' of a\.zarr .* no room left"):
        restore(disk / "a.zarr", "v1", force=True)
    filler.unlink()
    assert everything(disk / "a.zarr") == before
    restore(disk / "a.zarr", "v1", force=True)
    assert np.array_equal(values(disk / "a.zarr")["x"], SMALL)


@pytest.mark.integration
def test_a_full_disk_in_deduplication(disk: Path) -> None:
    write(disk / "b.zarr", SMALL)
    dedup(disk / "a.zarr", force=True)
    before = everything(disk / "b.zarr")
    filler = fill(disk, 0)
    try:
        dedup(
            disk / "b.zarr", force=True
        )  # links take next to nothing: it may well succeed, and make room
    except DataError as error:
        assert "no room left" in str(error)
    filler.unlink()
    assert everything(disk / "b.zarr") == before
    dedup(disk / "b.zarr", force=True)
    assert chunk_files(disk / "b.zarr")["x/c/0/0/0"].st_nlink == 3


@pytest.mark.integration
def test_an_export_that_does_not_fit(disk: Path, dataset: Path) -> None:
    filler = fill(disk, 8192)
    with pytest.raises(DataError, match="no room left"):
        export(dataset, disk / "target")
    filler.unlink()
    assert not list((disk / "target").glob("*.json"))
    assert not list((disk / "target").rglob("*.partial"))
    assert export(dataset, disk / "target")["chunks"] == 22


LIMITED = """
import resource, sys
from lepton_jlab.data.storage import dedup, snapshot, restore
from lepton_jlab.errors import DataError
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
try:
    snapshot(sys.argv[1], "v2", private=True)
except DataError as error:
    print(error)
"""


@pytest.mark.integration
def test_a_file_that_may_not_grow(dataset: Path) -> None:
    before = everything(dataset)
    command = [sys.executable, "-c", LIMITED, str(dataset)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "there is no room left" in done.stdout
    assert everything(dataset) == before
    assert versions(dataset) == []


@pytest.mark.parametrize("at", range(0, 60, 7))
def test_any_write_may_be_the_one_that_fails(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Whichever call is told that there is no room, nothing is lost and nothing stays."""
    snapshot(dataset, "v1", private=False)
    before, made = everything(dataset), versions(dataset)
    link, count = os.link, []

    def full(*words: Any, **more: Any) -> None:
        count.append(1)
        if len(count) > at:
            raise OSError(28, "No space left on device")
        link(*words, **more)

    monkeypatch.setattr(os, "link", full)
    for act in (lambda: restore(dataset, "v1"), lambda: snapshot(dataset, "v2", private=False)):
        count.clear()
        if at < 22:
            with pytest.raises(DataError, match="no room left"):
                act()
    monkeypatch.undo()
    assert everything(dataset) == before
    if at < 22:
        assert versions(dataset) == made
    assert verify(dataset).findings == []
    assert np.array_equal(values(dataset)["x"], IMAGES)
    assert not any((dataset.parent / STORE / "incoming").glob("*"))
