"""Datasets to be moved, and a user's own file of tiers."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.tiers.looking import VALUES
from webserver import WebServer

from lepton_jlab.config import data_folder
from lepton_jlab.data import import_dataset, writing
from lepton_jlab.data.tiers.moving import move
from lepton_jlab.data.tiers.prices import FILE
from lepton_jlab.errors import DataError

HELD = """
import sys, threading
from lepton_jlab.data import writing
from lepton_jlab.data import renaming
from lepton_jlab.data.tiers import moving
path, tier, where, keep = sys.argv[1:]
writing.BLOCK_BYTES = 6400
def hold():
    print("held", flush=True)
    threading.Event().wait()
def progress(done, total, text):
    if text == where and (not total or done > total * 0.3):
        hold()
if where == "between the names":
    renaming.exchange = lambda *_: False
    rename = renaming.Path.rename
    def renamed(path, target):
        rename(path, target)
        if target.name.endswith(".aside"):
            hold()
    renaming.Path.rename = renamed
moving.move(path, tier, keep=bool(keep), progress=progress)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Records and settings of this test's own."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    (tmp_path / "here").mkdir()
    data_folder.cache_clear()
    yield tmp_path / "here"
    data_folder.cache_clear()


@pytest.fixture
def say(tmp_path: Path) -> Callable[[str], None]:
    """Write the user's file of tiers."""
    return lambda text: (tmp_path / "config" / FILE).write_text(text) and None


@pytest.fixture
def slow(tmp_path: Path, say: Callable[[str], None]) -> Path:
    """Another folder, where the cold tier lives."""
    folder = tmp_path / "slow disk"
    say(f'[cold]\nfolder = "{folder}"\nstorage = 0.01\n')
    return folder


@pytest.fixture
def make(home: Path) -> Callable[..., Path]:
    """Import a dataset of 40 chunks."""

    def make(name: str = "a.zarr", **options: Any) -> Path:
        np.save(home.parent / "a.npy", VALUES)
        how: dict[str, Any] = {"chunk": 100, "shard": "none", **options}
        import_dataset(home.parent / "a.npy", home / name, **how)
        return home / name

    return make


@pytest.fixture
def dataset(make: Callable[..., Path]) -> Path:
    """Import the usual one."""
    return make()


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Begin a move in another process and kill it at a stage."""
    begun: list[subprocess.Popen[str]] = []
    monkeypatch.setattr(writing, "BLOCK_BYTES", 6400)

    def kill(path: Path, tier: str, where: str, keep: bool = False) -> None:
        command = [sys.executable, "-c", HELD, str(path), tier, where, "keep" * keep]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(DataError, match="is being moved already"):
            move(path, "hot")
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()

    yield kill
    for process in begun:
        process.kill()
        process.wait(30)


@pytest.fixture
def bucket(
    tmp_path: Path, say: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[WebServer]:
    """An object store in a process of its own, where the cold tier lives."""
    (tmp_path / "s3" / "bucket").mkdir(parents=True)
    say('[cold]\nfolder = "s3://bucket/lab"\nstorage = 0.01\n')
    with WebServer(tmp_path / "s3") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
        yield server


@pytest.fixture
def objects(tmp_path: Path) -> Callable[[], list[str]]:
    """List what the bucket holds."""
    root = tmp_path / "s3" / "bucket"
    return lambda: sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
