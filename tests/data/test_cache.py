"""The cache on disk: never too large, never wrong, never stale, shared by processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import zarr
from conditions import wait_until
from webserver import WebServer

from lepton_jlab.config import cache_folder
from lepton_jlab.data.cache import Cache
from lepton_jlab.data.remote import RemoteStore
from lepton_jlab.data.store import open_node
from lepton_jlab.errors import UsageError
from lepton_jlab.sizes import parse_bytes

MIB = 2**20

pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "cache", MIB)


def some(number: int, size: int = 10_000) -> memoryview:
    return memoryview(bytes([number % 256]) * size)


def on_disk(folder: Path) -> int:
    """Return the bytes that a folder takes on disk, all that is in it included."""
    return sum(path.stat().st_blocks * 512 for path in [folder, *folder.rglob("*")])


# ---- entries


def test_what_was_put_is_got(cache):
    assert cache.get("data", "a") is None
    cache.put("data", "a", some(1))
    cache.put("data", "empty", some(1, 0))
    assert cache.get("data", "a") == some(1)
    assert cache.get("data", "empty") == b""
    assert cache.get("other", "a") is None
    cache.forget("data", "a")
    cache.forget("data", "never there")
    assert cache.get("data", "a") is None


def entries(cache: Cache) -> list[Path]:
    inside = cache.folder.glob("*/*")
    return [path for path in inside if path.name != "used"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:5],
        lambda _: b"",
        lambda data: data + b"\0",
        lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:],
        lambda data: bytes([data[5] ^ 1]) + data[1:],
        lambda data: bytes(len(data)),
    ],
)
def test_a_damaged_entry_is_dropped(cache, damage):
    cache.put("data", "a", some(1))
    [path] = entries(cache)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get("data", "a") is None
    assert not path.exists()
    cache.put("data", "a", some(2))
    assert cache.get("data", "a") == some(2)


# ---- the limit


def test_a_dataset_keeps_what_it_has_and_fills_the_limit(cache):
    for number in range(200):
        cache.put("data", str(number), some(number))
        assert on_disk(cache.folder) <= cache.limit
    kept = [number for number in range(200) if cache.get("data", str(number)) is not None]
    assert kept == list(range(len(kept)))  # each epoch reads all: the first are as good as the last
    assert on_disk(cache.folder) > 0.9 * cache.limit


def test_the_dataset_used_least_recently_gives_way(cache, tmp_path):
    for name in ("old", "young"):
        for number in range(30):
            cache.put(name, str(number), some(number))
    marks = {path.parent: path for path in cache.folder.glob("*/used")}
    of_old = cache._path("old", "0").parent
    os.utime(marks[of_old], (1, 1))
    for number in range(30):
        cache.put("new", str(number), some(number))
        assert on_disk(cache.folder) <= cache.limit
    assert all(cache.get("new", str(number)) == some(number) for number in range(30))
    assert all(cache.get("young", str(number)) for number in range(30))
    assert not all(cache.get("old", str(number)) for number in range(30))


def test_use_is_marked(cache):
    cache.put("data", "a", some(1))
    mark = cache._path("data", "a").parent / "used"
    os.utime(mark, (1, 1))
    cache.get("data", "a")
    assert mark.stat().st_mtime > 1


def test_too_large_for_the_cache(cache):
    cache.put("data", "a", some(1))
    cache.put("data", "b", some(1, 2 * MIB))
    assert cache.get("data", "b") is None
    assert cache.get("data", "a") == some(1)


def test_a_smaller_limit_holds_at_once(cache):
    for number in range(50):
        cache.put("data", str(number), some(number))
    smaller = Cache(cache.folder, MIB // 4)
    assert on_disk(cache.folder) <= smaller.limit
    assert any(smaller.get("data", str(number)) for number in range(50))


@pytest.mark.parametrize("left", [b"", b"{", b'{"gone": 5}'])
def test_a_writer_that_died_leaves_nothing_uncounted(cache, left):
    for number in range(40):
        cache.put("data", str(number), some(number))
    (cache.folder / "incoming").write_bytes(bytes(300_000))
    if left == b'{"gone": 5}':  # what a user removed
        for folder in cache.folder.iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)
        (cache.folder / "incoming").unlink()
    (cache.folder / "ledger").write_bytes(left)
    for number in range(200):
        cache.put("more", str(number), some(number))
        assert on_disk(cache.folder) <= cache.limit
    assert cache.get("more", "0") == some(0)


WRITER = """
import sys
from pathlib import Path
from lepton_jlab.data.cache import Cache
folder, limit, seed = sys.argv[1:]
cache = Cache(Path(folder), int(limit))
for number in range(160):
    name = f"data {(int(seed) + number // 20) % 4}"
    size = (number * 7919 + int(seed)) % 30_000
    cache.put(name, str(number), memoryview(bytes([number % 256]) * size))
    kept = cache.get(name, str(number // 2))
    assert kept is None or len(set(kept)) < 2
"""


def pause(writer: subprocess.Popen[bytes]) -> bool:
    """Stop a process where it is; return False if it has ended."""
    writer.send_signal(signal.SIGSTOP)
    wait_until(
        lambda: (
            writer.poll() is not None
            or psutil.Process(writer.pid).status() == psutil.STATUS_STOPPED
        )
    )
    return writer.returncode is None


@pytest.mark.integration
def test_the_limit_holds_while_processes_write(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(MIB), str(seed)])
        for seed in (1, 2)
    ]
    seen = []
    try:
        while left := [writer for writer in writers if writer.poll() is None and pause(writer)]:
            seen.append(on_disk(folder))  # wherever they are just now, it must fit
            for writer in left:
                writer.send_signal(signal.SIGCONT)
    finally:
        for writer in writers:
            writer.kill()
    assert [writer.wait() for writer in writers] == [0, 0]
    assert max(seen) <= MIB
    assert max(seen) > MIB // 2


def test_threads_write_at_once(cache):
    with ThreadPoolExecutor(8) as threads:
        for _ in range(2):
            list(threads.map(lambda n: cache.put(f"data {n % 3}", str(n), some(n)), range(150)))
    assert on_disk(cache.folder) <= cache.limit
    for number in range(150):
        assert cache.get(f"data {number % 3}", str(number)) in (None, some(number))


# ---- behind a remote store


@pytest.fixture
def home(tmp_path, monkeypatch) -> Iterator[None]:
    from lepton_jlab.config import data_folder

    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    for kept in (data_folder, cache_folder):
        kept.cache_clear()
    yield
    for kept in (data_folder, cache_folder):
        kept.cache_clear()


@pytest.fixture
def served(tmp_path, home) -> Iterator[tuple[WebServer, Path]]:
    folder = tmp_path / "served"
    write(folder / "a.zarr", 1)
    with WebServer(folder) as server:
        yield server, folder / "a.zarr"


def write(path: Path, seed: int, **how) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 256, (64, 300), dtype="u1")
    group = zarr.create_group(str(path), overwrite=True)
    group.create_array("x", shape=(64, 300), dtype="u1", chunks=(4, 300), **how)[:] = values
    zarr.consolidate_metadata(str(path))
    return values


@pytest.mark.parametrize("how", [{}, {"shards": (16, 300)}], ids=str)
def test_the_second_epoch_asks_for_nothing(served, how):
    server, path = served
    values = write(path, 1, **how)
    for _ in range(2):
        node = open_node(f"{server.url}/a.zarr", cache=10 * MIB)
        np.testing.assert_array_equal(node["x"][:], values)
        np.testing.assert_array_equal(node["x"][3:7], values[3:7])
    server.heal()
    node = open_node(f"{server.url}/a.zarr", cache=10 * MIB)
    np.testing.assert_array_equal(node["x"][:], values)
    np.testing.assert_array_equal(node["x"][3:7], values[3:7])
    assert server.requests("/x/c/") == []
    assert node.store.transfer.hits > 0


def test_reading_in_a_thread_uses_the_cache(served):
    server, _ = served
    store = open_node(f"{server.url}/a.zarr", cache=10 * MIB).store
    first = store.read("x/c/3/0")
    assert store.read("x/c/3/0") == first
    assert server.requests("/x/c/") == ["/a.zarr/x/c/3/0"]
    assert store.transfer.hits == 1
    store.forget("x/c/3/0")
    assert store.read("x/c/3/0") == first
    assert len(server.requests("/x/c/")) == 2


def test_a_damaged_entry_is_fetched_again(served):
    server, _ = served
    node = open_node(f"{server.url}/a.zarr", cache=10 * MIB)
    values = node["x"][:]
    for path in cache_folder().glob("*/*"):
        if path.name != "used":
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 255
            path.write_bytes(data)
    server.heal()
    np.testing.assert_array_equal(node["x"][:], values)
    assert len(server.requests("/x/c/")) == 16


def test_a_changed_dataset_is_not_served_stale(served):
    server, path = served
    before = open_node(f"{server.url}/a.zarr", cache=10 * MIB)["x"][:]
    shutil.rmtree(path)
    after = write(path, 2)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(open_node(f"{server.url}/a.zarr", cache=10 * MIB)["x"][:], after)


def test_what_nothing_vouches_for_is_not_kept(served):
    server, _ = served
    store = RemoteStore(f"{server.url}/a.zarr", cache=10 * MIB)  # no document was read
    for _ in range(2):
        store.read("x/c/0/0")
    assert len(server.requests("/x/c/")) == 2


def test_a_cache_that_cannot_be_written_to_is_done_without(served):
    server, _ = served
    store = open_node(f"{server.url}/a.zarr", cache=10 * MIB).store
    shutil.rmtree(cache_folder())
    cache_folder().touch()
    with pytest.warns(UserWarning, match="is not used any more"):
        first = store.read("x/c/0/0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.read("x/c/0/0") == first


def test_the_folder_is_a_setting_and_private(tmp_path, home, monkeypatch):
    from lepton_jlab.config import settings

    assert cache_folder().stat().st_mode & 0o077 == 0
    monkeypatch.setattr(settings(), "cache_folder", str(tmp_path / "elsewhere"))
    cache_folder.cache_clear()
    assert cache_folder() == tmp_path / "elsewhere"


# ---- sizes in words


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("10GiB", 10 * 2**30),
        ("500 MB", 500_000_000),
        ("1.5 kib", 1536),
        ("2k", 2000),
        ("7", 7),
        ("7B", 7),
        (123, 123),
        (" 1T ", 10**12),
    ],
)
def test_sizes(written, amount):
    assert parse_bytes(written, "cache") == amount


@pytest.mark.parametrize("written", ["", "ten", "-1", "0", 0, -5, "1 Gib i", "10GiBs", True, None])
def test_what_is_no_size(written):
    with pytest.raises(UsageError, match=r"cache .* is not a size\. Write it as 512MiB"):
        parse_bytes(written, "cache")
