"""The hot disk: copies of what is read from slower places, where they pay, within their limit."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.tiers.looking import VALUES

from lepton_jlab.commands import Context, perform
from lepton_jlab.config import cache_folder
from lepton_jlab.data import open_dataset
from lepton_jlab.data.copied_folder import CopiedFolder
from lepton_jlab.data.storage import verify
from lepton_jlab.data.tiers import accesses
from lepton_jlab.data.tiers.hot_disk import pays
from lepton_jlab.data.tiers.moving import move
from lepton_jlab.data.tiers.overview import copies, overview
from lepton_jlab.parsing import parse, split

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def other_disk(tmp_path: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """A cold tier on another file system, said to be slower, and a hot disk before it."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    folder = Path(tempfile.mkdtemp(dir=shared))
    say(
        f'[cold]\nfolder = "{folder}"\nread = 0.01\n'
        f'[hot_disk]\nsize = "1MB"\nfolder = "{tmp_path / "fast"}"\n'
    )
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def cold(dataset: Path, other_disk: Path) -> Path:
    """A dataset that was moved there."""
    move(dataset, "cold")
    return dataset


def transfer(dataset: Any) -> Any:
    return dataset.x.zarr.store_path.store.transfer


def read(path: Path) -> Any:
    """Read a dataset by batches, and return what it counted."""
    opened = open_dataset(path)
    assert np.array_equal(np.concatenate(list(opened.batches(100, memory="1MiB").numpy())), VALUES)
    return transfer(opened)


def test_what_was_read_once_is_read_from_the_hot_disk(cold, tmp_path):
    first, second = read(cold), read(cold)
    assert (first.requests, first.hits) == (40, 0)
    assert (second.requests, second.hits) == (0, 40)
    assert np.array_equal(open_dataset(cold).x[5:9], VALUES[5:9])
    assert accesses.known(str(cold)).count == pytest.approx(1.0, abs=0.01)  # of what the tier gave
    assert accesses.from_copies()[str(cold)] == pytest.approx(1.0, abs=0.01)
    told = copies(overview())
    assert told["folder"] == str(tmp_path / "fast")
    assert list(told["datasets"]) == [str(cold)]
    assert told["hits"] == pytest.approx(0.5, abs=0.01)
    shown = perform(parse(split("data tier")), Context())
    assert f"Hot disk {tmp_path / 'fast'}: " in shown.text
    assert "50% of what was read lately came from it" in shown.text


def test_other_processes_have_the_copies(cold):
    read(cold)
    code = (
        "import sys; from lepton_jlab.data import open_dataset\n"
        "ds = open_dataset(sys.argv[1]); ds.x[:]\n"
        "print(ds.x.zarr.store_path.store.transfer.hits)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(cold)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "40"


def test_what_is_written_there_is_seen_at_once(cold):
    read(cold)
    group: Any = zarr.open_group(str(cold), mode="r+")
    group["x"][5] = 7
    opened = open_dataset(cold)
    assert (opened.x[5] == 7).all()
    assert np.array_equal(opened.x[6:], VALUES[6:])


def test_a_check_is_of_the_chunks_themselves(cold):
    read(cold)
    chunk = cold / "x" / "c" / "3" / "0"
    status, data = chunk.stat(), bytearray(chunk.read_bytes())
    data[-9] ^= 1
    chunk.write_bytes(data)
    os.utime(chunk, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a disk that forgets does
    read(cold)
    assert [finding.chunk for finding in verify(cold).findings] == ["3/0"]


def test_the_limit_holds(make, other_disk, say, tmp_path):
    say((tmp_path / "config" / "lepton_tiers.toml").read_text().replace("1MB", "150kB"))
    for name in ("a.zarr", "b.zarr", "c.zarr"):
        path = make(name)
        move(path, "cold")
        read(path)
    held = sum(p.stat().st_size for p in (tmp_path / "fast").rglob("*") if p.is_file())
    assert 10_000 < held < 150_000


def test_it_travels(cold):
    opened = open_dataset(cold)
    array = pickle.loads(pickle.dumps(opened.x.zarr))
    assert isinstance(array.store_path.store, CopiedFolder)
    assert np.array_equal(array[:], VALUES)
    assert np.array_equal(pickle.loads(pickle.dumps(opened)).x[:], VALUES)


def test_where_it_cannot_pay_there_is_none(dataset, other_disk, tmp_path):
    store = open_dataset(dataset).x.zarr.store_path.store
    assert not isinstance(store, CopiedFolder)  # the same disk
    elsewhere = shutil.copytree(dataset, other_disk / "mine.zarr")
    fast = tmp_path / "fast"
    assert fast.is_dir()
    assert pays(elsewhere, fast)  # in the folder of a tier that is dear to read
    twin = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        assert not pays(twin, fast)  # memory
        assert pays(twin, fast, asked=True)
    finally:
        twin.rmdir()


def test_by_the_argument_alone(dataset, other_disk, say):
    say("")
    far = shutil.copytree(dataset, other_disk / "mine.zarr")
    assert not isinstance(open_dataset(far).x.zarr.store_path.store, CopiedFolder)
    for hits in (0, 40):
        opened = open_dataset(far, cache="1MB")
        opened.x[:]
        assert transfer(opened).hits == hits
    assert any(cache_folder().iterdir())


@pytest.mark.integration
def test_before_an_object_store(dataset, bucket, say, tmp_path):
    say(
        '[cold]\nfolder = "s3://bucket/lab"\n'
        f'[hot_disk]\nsize = "1MB"\nfolder = "{tmp_path / "fast"}"\n'
    )
    move(dataset, "cold")
    read(dataset)
    bucket.heal()
    assert read(dataset).hits == 40
    assert bucket.requests("x/c") == []
    opened = open_dataset(dataset, cache=0)
    opened.x[:]
    assert transfer(opened).hits == 0
    assert list(copies(overview())["datasets"]) == [str(dataset)]


def test_a_hot_disk_that_cannot_be_written_costs_a_warning(dataset, say, tmp_path):
    (tmp_path / "file").write_text("in the way")
    say(f'[hot_disk]\nsize = "1MB"\nfolder = "{tmp_path / "file" / "fast"}"\n')
    with pytest.warns(UserWarning, match="No copies are kept on the hot disk"):
        assert np.array_equal(open_dataset(dataset).x[:], VALUES)
