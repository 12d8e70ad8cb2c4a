"""Datasets whose versions differ as in life: a sample corrected, labels fixed, rows appended."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

Values = NDArray[Any]

IMAGES = np.random.default_rng(0).integers(0, 256, (400, 8, 8), dtype=np.uint8)
LABELS = np.arange(400, dtype=np.uint8) % 10


def write(folder: Path, x: Values = IMAGES, y: Values = LABELS, **more: Any) -> Path:
    """Write a dataset of 20 + 2 chunks by plain zarr-python; `more` is for its images."""
    group = zarr.create_group(str(folder))
    for name, values, length in (("x", x, 20), ("y", y, 200)):
        options = more if name == "x" else {}
        array = group.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=(length, *values.shape[1:]),
            dimension_names=("sample", "height", "width")[: values.ndim],
            **options,
        )
        array.with_config({"write_empty_chunks": True})[:] = values
    return folder


def values(folder: Path | str) -> dict[str, Values]:
    """Return all arrays of a dataset, as zarr-python reads them."""
    group: Any = zarr.open_group(str(folder), mode="r")
    return {name: np.asarray(array[:]) for name, array in group.arrays()}


def chunk_files(folder: Path) -> dict[str, os.stat_result]:
    """Return the files of chunks by key."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.stat()
        for path in files
        if path.name != "zarr.json"
    }


def everything(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of one array of images and one of labels."""
    return write(tmp_path / "a.zarr")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount file systems of their own, as root may."""
    done: list[Path] = []

    def mount(*words: str, at: Path) -> Path:
        at.mkdir(exist_ok=True)
        asked = subprocess.run(["mount", *words, str(at)], capture_output=True, text=True)
        if asked.returncode:
            pytest.skip(f"cannot mount: {asked.stderr.strip()}")
        done.append(at)
        return at

    yield mount
    for folder in reversed(done):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
