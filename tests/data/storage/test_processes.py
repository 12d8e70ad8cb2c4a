"""Several processes at once, killed at random moments."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from conditions import wait_until
from data.storage.conftest import IMAGES, values, write

from lepton_jlab.data.storage import collect, dedup, snapshot, versions
from lepton_jlab.data.storage.blobs import Blobs
from lepton_jlab.data.storage.linked_store import LinkedStore
from lepton_jlab.data.storage.workspace import Workspace, locked

CROWD = Path(__file__).with_name("crowd.py")


def crowd(folder: Path, rounds: int, seed: int) -> None:
    command = [sys.executable, str(CROWD), str(folder), str(rounds), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.integration
def test_two_write_one_collects_one_reads(tmp_path: Path) -> None:
    crowd(tmp_path, 20, 1)


@pytest.mark.fault
def test_they_are_killed_two_hundred_times(tmp_path: Path) -> None:
    crowd(tmp_path, 200, int.from_bytes(os.urandom(4)))


KILLED = """
import os, signal, sys
from lepton_jlab.data.storage import versioning
from lepton_jlab.data.storage.keeping import Keeping
keep, count = Keeping.keep, []
def counted(self, *words):
    count.append(1)
    if len(count) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return keep(self, *words)
Keeping.keep = counted
versioning.snapshot(sys.argv[1], "v1", private=False)
"""


@pytest.mark.fault
def test_what_a_killed_snapshot_left_is_cleared(dataset: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(dataset)]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    incoming = dataset.parent / ".lepton" / "incoming"
    assert len(list(incoming.iterdir())) == 1
    assert versions(dataset) == []
    assert np.array_equal(values(dataset)["x"], IMAGES)
    assert collect(dataset.parent)["abandoned"] == 1
    assert not incoming.exists()
    snapshot(dataset, "v1", private=False)


def test_collection_waits_for_who_links(dataset: Path) -> None:
    dedup(dataset, force=True)
    store = dataset.parent / ".lepton"
    blob = next(Path(e.path) for _, e in Blobs(store).all() if e.stat().st_size > 100)
    (chunk,) = (p for p in dataset.rglob("*") if p.is_file() and p.samefile(blob))
    chunk.unlink()  # nobody has it now
    done: list[Any] = []
    collector = threading.Thread(target=lambda: done.append(collect(dataset.parent)))

    def waits() -> bool:
        inode = (store / "lock").stat().st_ino
        lines = Path("/proc/locks").read_text().splitlines()
        return any("->" in line and f":{inode} " in line for line in lines)

    with locked(store):
        collector.start()
        wait_until(waits, about="the collector at the lock")
        os.link(blob, chunk)
    collector.join(30)
    assert done[0]["files"] == 0
    assert blob.exists()


def test_who_works_is_not_taken_for_dead(dataset: Path) -> None:
    dedup(dataset, force=True)
    with Workspace(dataset.parent / ".lepton") as work:
        (work.folder / "file").write_text("on its way")
        assert collect(dataset.parent)["abandoned"] == 0
        assert (work.folder / "file").exists()


def test_a_fork_does_not_remove_what_its_parent_does(tmp_path: Path) -> None:
    store = LinkedStore(write(tmp_path / "a.zarr"), force=True)
    array = zarr.open_group(store, mode="r+")["x"]
    array[5] = 0  # type: ignore[index]
    (folder,) = (tmp_path / ".lepton" / "incoming").iterdir()
    pid = os.fork()
    if not pid:
        store.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert folder.exists()
    store.close()
    assert not folder.exists()
