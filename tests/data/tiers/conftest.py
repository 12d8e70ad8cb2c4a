"""Datasets to be moved, and a user's own file of tiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.tiers.looking import VALUES

from lepton_jlab.config import data_folder
from lepton_jlab.data import import_dataset
from lepton_jlab.data.tiers.prices import FILE


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
