"""Icechunk repositories: opened as datasets, as their tags and branches have them."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from webserver import WebServer

from lepton_jlab.data import open_dataset
from lepton_jlab.data.storage import snapshot, versions
from lepton_jlab.errors import DataError, MissingDependencyError, NotFoundError

icechunk = pytest.importorskip("icechunk")

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)


def make(folder: Path) -> str:
    """Make a repository with a tag, a branch and a later state; return its first snapshot."""
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(folder)))
    session = repository.writable_session("main")
    group = zarr.create_group(session.store)
    for name, values in (("x", IMAGES), ("y", np.arange(60) % 10)):
        group.create_array(name, data=values, chunks=(20, *values.shape[1:]))
    first: str = session.commit("first")
    repository.create_tag("v1", snapshot_id=first)
    repository.create_branch("trial", snapshot_id=first)
    session = repository.writable_session("main")
    array: Any = zarr.open_group(session.store, mode="r+")["x"]
    array[5] = 0
    session.commit("second")
    return first


def test_a_repository_in_a_folder(tmp_path: Path) -> None:
    where = tmp_path / "repository"
    first = make(where)
    now = open_dataset(where)
    assert (now.x[5] == 0).all()
    for version in ("v1", "trial", first):
        opened = open_dataset(where, version=version)
        assert np.array_equal(opened.x[:], IMAGES)
        batches = [x for x, _ in opened.batches(16).numpy()]
        assert np.array_equal(np.concatenate(batches), IMAGES)
        assert np.array_equal(pickle.loads(pickle.dumps(opened)).x[:], IMAGES)
    assert now.info()["storage"] is None
    with pytest.raises(NotFoundError, match=r"no tag or branch 'v2'. There are: main, trial, v1"):
        open_dataset(where, version="v2")
    for refused in (versions, lambda path: snapshot(path, "v3")):
        with pytest.raises(DataError, match="keeps its own versions: v1, main, trial"):
            refused(where)


@pytest.mark.integration
def test_a_repository_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "bucket" / "deep" / "repository")
    with WebServer(tmp_path) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
        assert (open_dataset("s3://bucket/deep/repository").x[5] == 0).all()
        opened = open_dataset("s3://bucket/deep/repository", version="v1")
        assert np.array_equal(opened.x[:], IMAGES)
        with pytest.raises(NotFoundError, match="There is no Zarr dataset at s3://bucket/other"):
            open_dataset("s3://bucket/other")


def test_without_icechunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "repository")
    monkeypatch.setitem(sys.modules, "icechunk", None)
    with pytest.raises(MissingDependencyError, match=r"icechunk.*lepton_jlab\[icechunk\]"):
        open_dataset(tmp_path / "repository")
