"""Programs that write files in place: kept from it, or found out, as root too."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.storage.conftest import IMAGES, LABELS, chunk_files, values, write

from lepton_jlab.data.storage import dedup, restore, snapshot, verify, version_folder
from lepton_jlab.data.storage.linked_store import LinkedStore

ZARRS = "zarrs.ZarrsCodecPipeline"

IN_PLACE = {
    "zarrs": """
import sys, zarr
zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
zarr.open_group(sys.argv[1], mode="r+")["x"][5] = 0
""",
    "fsspec": """
import sys, zarr
store = zarr.storage.FsspecStore.from_url("file://" + sys.argv[1], storage_options={})
zarr.open_group(store, mode="r+")["x"][5] = 0
""",
    "shell": """
import sys
with open(sys.argv[1] + "/x/c/0/0/0", "r+b") as file:
    file.write(b"12345678")
""",
}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def run(writer: str, folder: Path, user: int | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", IN_PLACE[writer], str(folder)]
    if user is not None:
        # The interpreter may lie where that user cannot go: no new program, only a new user.
        become = f"import os; os.setgroups([]); os.setgid({user}); os.setuid({user})\n"
        warm = "import zarr, zarrs, zarr.storage, fsspec.implementations.local, numcodecs.zstd\n"
        command[2] = warm + become + command[2]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users can go to."""
    folder = Path(tempfile.mkdtemp(prefix="lepton-public-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@needs_root
@pytest.mark.integration
@pytest.mark.parametrize("writer", IN_PLACE)
def test_a_user_is_refused(public: Path, writer: str) -> None:
    user = 54321
    dataset = write(public / "a.zarr")
    for path in [dataset, *dataset.rglob("*")]:
        os.chown(path, user, user)
    snapshot(dataset, "v1", private=False)
    done = run(writer, dataset, user)
    assert done.returncode != 0
    assert "ermission" in done.stderr
    assert np.array_equal(values(version_folder(dataset, "v1"))["x"], IMAGES)
    assert verify(dataset).findings == []


@needs_root
@pytest.mark.integration
@pytest.mark.parametrize("writer", IN_PLACE)
@pytest.mark.parametrize("repaired", [False, True])
def test_root_reaches_no_version(dataset: Path, writer: str, repaired: bool) -> None:
    """By default; a repair, a restore, and a store for writing share nothing either."""
    twin = write(dataset.with_name("twin.zarr"))
    assert snapshot(twin, "v1")["private"] is snapshot(dataset, "v1")["private"] is True
    if repaired:
        (dataset / "x/c/0/0/0").unlink()
        (dataset / "x/c/1/0/0").write_bytes(b"broken")
        verify(dataset, repair_from="v1")
        restore(dataset, "v1", force=True)
        array: Any = zarr.open_group(LinkedStore(dataset), mode="r+")["x"]
        array[:] = IMAGES
    assert run(writer, dataset).returncode == 0
    assert (dataset / "x/c/0/0/0").read_bytes() != (
        Path(version_folder(dataset, "v1")) / "x/c/0/0/0"
    ).read_bytes()
    assert all(s.st_nlink == 1 for s in chunk_files(dataset).values())
    for kept in (version_folder(dataset, "v1"), twin, version_folder(twin, "v1")):
        assert np.array_equal(values(kept)["x"], IMAGES)
    assert verify(twin).findings == []
    assert {f.version for f in verify(dataset).findings} <= {None}


@needs_root
@pytest.mark.integration
@pytest.mark.parametrize("writer", IN_PLACE)
def test_what_root_overwrites_is_found_named_and_repaired(
    dataset: Path, tmp_path: Path, writer: str
) -> None:
    copy = write(tmp_path / "elsewhere.zarr")
    twin = write(tmp_path / "twin.zarr")
    dedup(twin, force=True)
    snapshot(dataset, "v1", private=False)
    assert run(writer, dataset).returncode == 0
    assert snapshot(dataset, "v2", private=False)["overwritten"] == ["x/c/0/0/0"]
    findings = {f.version: f for f in verify(dataset).findings}
    assert set(findings) >= {"v1"}
    assert str(twin / "x/c/0/0/0") in findings["v1"].shared_with
    assert findings["v1"].key == "x/c/0/0/0"
    kept = Path(version_folder(dataset, "v1"))
    verify(dataset, repair_from=copy)
    assert np.array_equal(values(kept)["x"], IMAGES)
    assert np.array_equal(values(kept)["y"], LABELS)


@needs_root
@pytest.mark.integration
def test_what_was_meant_stays(tmp_path: Path) -> None:
    """With a checksum it is known to be meant: the dataset keeps it, the version gets its own."""
    check = [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()]
    dataset = write(tmp_path / "a.zarr", compressors=check)
    copy = write(tmp_path / "elsewhere.zarr", compressors=check)
    snapshot(dataset, "v1", private=False)
    assert run("zarrs", dataset).returncode == 0
    meant = values(dataset)["x"]
    assert np.all(meant[5] == 0)
    assert {(f.version, f.kind) for f in verify(dataset).findings} == {
        (None, "overwritten"),
        ("v1", "broken"),
    }
    assert verify(dataset, repair_from=copy).ok
    assert np.array_equal(values(dataset)["x"], meant)
    assert np.array_equal(values(version_folder(dataset, "v1"))["x"], IMAGES)
    assert verify(dataset).findings == []


def test_zarrs_does_not_write_through_the_linked_store(tmp_path: Path) -> None:
    twin = write(tmp_path / "b.zarr")
    dedup(twin, force=True)
    with zarr.config.set({"codec_pipeline.path": ZARRS}):
        store = LinkedStore(tmp_path / "a.zarr", force=True)
        write_to(store)
        assert chunk_files(tmp_path / "a.zarr")["x/c/0/0/0"].st_nlink == 3
        array: Any = zarr.open_group(store, mode="r+")["x"]
        array[5] = 0
        again: Any = zarr.open_group(pickle.loads(pickle.dumps(store)), mode="r+")["x"]
        again[6] = 0
    assert np.array_equal(values(twin)["x"], IMAGES)
    assert np.all(values(tmp_path / "a.zarr")["x"][5:7] == 0)


def write_to(store: LinkedStore) -> None:
    group = zarr.create_group(store)
    array: Any = group.create_array("x", shape=IMAGES.shape, dtype="u1", chunks=(20, 8, 8))
    array[:] = IMAGES


@pytest.mark.integration
def test_copies_that_cost_nothing_are_private(tmp_path: Path, mounted: Any) -> None:
    """On XFS and Btrfs the dataset has its own files by itself: no writer reaches a version."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(320 << 20)
    if shutil.which("mkfs.xfs") is None:
        pytest.skip("no mkfs.xfs")
    made = subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], capture_output=True)
    if made.returncode:
        pytest.skip("no mkfs.xfs")
    folder = mounted("-o", "loop", str(image), at=tmp_path / "xfs")
    rng = np.random.default_rng(0)
    big = rng.integers(0, 256, (400, 64, 64), dtype=np.uint8)
    dataset = write(folder / "a.zarr", big)
    used = os.statvfs(folder).f_bavail
    made_ = snapshot(dataset, "v1")
    assert made_["private"] is True
    taken = (used - os.statvfs(folder).f_bavail) * os.statvfs(folder).f_bsize
    assert taken < big.nbytes / 3
    with (dataset / "x/c/0/0/0").open("r+b") as opened:
        opened.write(b"12345678")
    assert np.array_equal(values(version_folder(dataset, "v1"))["x"], big)
