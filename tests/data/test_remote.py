"""Remote stores: against a real web server that is slow, limited, and fails as told."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from webserver import WebServer
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from lepton_jlab.data import open_dataset
from lepton_jlab.data.remote import RemoteStore
from lepton_jlab.data.remote.connect import bucket_region, shown
from lepton_jlab.data.remote.link import Patience
from lepton_jlab.data.store import open_node
from lepton_jlab.errors import DataError, MissingDependencyError, NotFoundError

HASTE = Patience(attempts=4, pause=0.001, longest_pause=0.01, silence=1.0, enough=20.0)
CHUNKS = 40

pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (CHUNKS * 4, 500), dtype="u1")


@pytest.fixture(scope="module")
def served(tmp_path_factory, values) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("served")
    write(folder / "a.zarr", values)
    with WebServer(folder) as server:
        yield server


@pytest.fixture
def server(served) -> WebServer:
    served.heal()
    return served


def write(path: Path, values: np.ndarray, consolidated: bool = True, **how: Any) -> None:
    group = zarr.create_group(str(path), attributes={"kind": "test"})
    shape, chunks = values.shape, (4, *values.shape[1:])
    x = group.create_array("x", shape=shape, dtype=values.dtype, chunks=chunks, **how)
    x[:] = values
    y = group.create_array("y", shape=shape[:1], dtype="i4", chunks=(64,))
    y[:] = np.arange(len(values))
    if consolidated:
        zarr.consolidate_metadata(str(path))


def hasty(url: str, **how: Any) -> RemoteStore:
    return RemoteStore(url, patience=HASTE, **how)


# ---- what a server without faults gives


def test_a_dataset_is_read_over_http(server, values):
    dataset = open_dataset(f"{server.url}/a.zarr")
    assert len(dataset) == len(values)
    np.testing.assert_array_equal(np.asarray(dataset.x), values)
    np.testing.assert_array_equal(dataset.y[5:7], [5, 6])
    assert pickle.loads(pickle.dumps(dataset)).path == dataset.path
    info = dataset.info()
    assert [a["name"] for a in info["arrays"]] == ["x", "y"]
    assert info["stored_bytes"] is None


def test_inner_datasets_and_addresses_with_spaces(tmp_path, values):
    write(tmp_path / "my data.zarr", values[:8], consolidated=False)
    write(tmp_path / "my data.zarr" / "test", values[8:20], consolidated=False)
    zarr.consolidate_metadata(str(tmp_path / "my data.zarr"))
    with WebServer(tmp_path) as server:
        dataset = open_dataset(f"{server.url}/my data.zarr")
        np.testing.assert_array_equal(np.asarray(dataset["test"].x), values[8:20])
        inner = open_dataset(f"{server.url}/my data.zarr/test")
        np.testing.assert_array_equal(np.asarray(inner.x), values[8:20])


@pytest.mark.parametrize(
    "how",
    [
        {"shards": (16, 500)},
        {"zarr_format": 2},
        {"compressors": None, "fill_value": 7},
    ],
    ids=str,
)
def test_layouts(tmp_path, values, how):
    version = how.pop("zarr_format", 3)
    values = np.where(np.arange(len(values))[:, None] // 4 == 3, 7, values).astype("u1")
    group = zarr.create_group(str(tmp_path / "b.zarr"), zarr_format=version)
    x = group.create_array("x", shape=values.shape, dtype="u1", chunks=(4, 500), **how)
    x[:] = values
    zarr.consolidate_metadata(str(tmp_path / "b.zarr"))
    with WebServer(tmp_path) as server:
        dataset = open_dataset(f"{server.url}/b.zarr")
        np.testing.assert_array_equal(np.asarray(dataset.x), values)
        np.testing.assert_array_equal(dataset.x[[13, 3, 90]], values[[13, 3, 90]])


def test_a_group_that_does_not_tell_its_members(tmp_path, values):
    write(tmp_path / "roles.zarr", values[:8], consolidated=False)
    zarr.create_group(str(tmp_path / "other.zarr")).create_array("z", shape=(3,), dtype="u1")
    with WebServer(tmp_path) as server:
        dataset = open_dataset(f"{server.url}/roles.zarr")
        assert dataset.roles == {"x": "x", "y": "y"}
        np.testing.assert_array_equal(np.asarray(dataset.x), values[:8])
        with pytest.raises(DataError, match=r"other\.zarr.*zarr\.consolidate_metadata"):
            open_dataset(f"{server.url}/other.zarr")


def test_nothing_there(server):
    with pytest.raises(NotFoundError, match=r"no Zarr dataset at http://.*/b\.zarr"):
        open_dataset(f"{server.url}/b.zarr")


def test_parts_of_objects(server):
    store = hasty(f"{server.url}/a.zarr")
    whole = bytes(store.read("x/c/0/0"))
    proto = default_buffer_prototype()
    for part, expected in [
        (RangeByteRequest(3, 10), whole[3:10]),
        (OffsetByteRequest(len(whole) - 5), whole[-5:]),
        (SuffixByteRequest(4), whole[-4:]),
    ]:
        assert bytes(store.read("x/c/0/0", part)) == expected
        assert sync(store.get("x/c/0/0", proto, part)).to_bytes() == expected
        [got] = sync(store.get_partial_values(proto, [("x/c/0/0", part)]))
        assert got.to_bytes() == expected
    assert store.read("x/c/999/0") is None
    assert sync(store.exists("x/c/0/0"))
    assert not sync(store.exists("x/c/999/0"))
    assert sync(store.getsize("x/c/0/0")) == len(whole)


def test_a_store_is_read_only_and_travels_by_address(server):
    store = hasty(f"{server.url}/a.zarr")
    assert store == pickle.loads(pickle.dumps(store))
    assert store.read_only
    assert store.with_read_only(True) is store
    with pytest.raises(ValueError, match="read only"):
        store.with_read_only(False)
    with pytest.raises(ValueError, match="read-only"):
        sync(store.set("x/c/0/0", default_buffer_prototype().buffer.from_bytes(b"")))
    array = zarr.open(store, mode="r")["x"]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array))[:3], array[:3])


def test_many_threads_share_the_link(tmp_path):
    for number in range(400):
        (tmp_path / str(number)).write_bytes(bytes([number % 251]) * 2000)
    with WebServer(tmp_path, delay=0.02) as server, ThreadPoolExecutor(64) as threads:
        store = hasty(server.url)
        got = list(threads.map(store.read, map(str, range(400))))
        assert [bytes(data) for data in got] == [bytes([n % 251]) * 2000 for n in range(400)]
        transfer = store.transfer
        assert transfer.bytes == 800_000
        assert transfer.requests == 400 + transfer.retries
        assert transfer.latency >= 0.02
        assert transfer.bandwidth > 0
        assert transfer.waited >= 400 * 0.02
        assert transfer.concurrency == store.width  # latency is all: the gate opened wide
        assert 8 < server.most_at_once() <= store.width + store.width // 4


# ---- what faults do

TRANSIENT: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": 500}),
    ("status", {"status": 503}),
    ("status", {"status": 429}),
    ("reset", {}),
    ("truncate", {}),
    ("stall", {"seconds": 30}),
    ("hang", {"seconds": 30}),
]


@pytest.mark.parametrize(("kind", "how"), TRANSIENT, ids=str)
def test_passing_faults_change_nothing(server, values, kind, how):
    store = hasty(f"{server.url}/a.zarr")
    array = zarr.open(store, mode="r")["x"]
    server.fail(r"/x/c/(1|5|30)/", kind, times=3, **how)
    np.testing.assert_array_equal(array[:], values)
    assert store.transfer.retries >= 3


def test_metadata_is_asked_for_again_too(server, values):
    server.fail("zarr.json", "status", times=1, status=502)
    server.fail("zarr.json", "reset", times=1)
    assert len(open_dataset(f"{server.url}/a.zarr")) == len(values)


def test_a_slow_answer_is_overtaken(server):
    store = RemoteStore(f"{server.url}/a.zarr", patience=replace(HASTE, silence=60.0))
    expected = [bytes(store.read(f"x/c/{number}/0")) for number in range(CHUNKS)]
    server.heal()
    server.fail(r"/x/c/7/", "stall", times=1, seconds=60)
    assert bytes(store.read("x/c/7/0")) == expected[7]
    assert len(server.requests("/x/c/7/")) == 2


@pytest.mark.parametrize(
    ("kind", "how", "words"),
    [
        ("status", {"status": 500}, r"answered 500.*Tried 4 times within .* s\. Try again later"),
        ("truncate", {}, r"connection broke off\. Tried 4 times"),
        pytest.param("hang", {}, r"silent for 1 s\. Tried 4 times", marks=pytest.mark.integration),
        ("status", {"status": 403}, r"answered 403.*credentials"),
        ("status", {"status": 401}, r"answered 401.*credentials"),
        ("status", {"status": 400}, r"answered 400"),
    ],
    ids=str,
)
def test_a_lasting_fault_is_one_clear_error(server, kind, how, words):
    store = hasty(f"{server.url}/a.zarr")
    array = zarr.open(store, mode="r")["x"]
    server.fail(r"/x/c/5/", kind, **how)
    with pytest.raises(
        DataError, match=rf"^{server.url}/a\.zarr/x/c/5/0 cannot be read: .*{words}"
    ):
        array[:]
    lasting = how.get("status", 500) < 429
    assert len(server.requests("/x/c/5/")) in ([1] if lasting else range(4, 17))


def test_who_may_not_list_may_still_read(server, values):
    server.fail(r"\.z(array|attrs|group|metadata)$", "status", status=403)
    np.testing.assert_array_equal(np.asarray(open_dataset(f"{server.url}/a.zarr").x), values)


def test_nothing_may_be_read(server):
    server.fail("a.zarr", "status", status=403)
    with pytest.raises(DataError, match=r"a\.zarr/.* cannot be read: .*403.*credentials"):
        open_dataset(f"{server.url}/a.zarr")


def test_no_server_at_all(monkeypatch):
    store = hasty("http://127.0.0.1:9/a.zarr")
    with pytest.raises(DataError, match=r"no connection \(connection refused\)\. Tried 4 times"):
        store.read("x/c/0/0")


def test_fewer_requests_when_the_store_is_busy(tmp_path):
    (tmp_path / "a").write_bytes(b"a" * 100)
    with WebServer(tmp_path, delay=0.005) as server, ThreadPoolExecutor(64) as threads:
        store = hasty(server.url)
        list(threads.map(store.read, ["a"] * 300))
        wide = store.transfer.concurrency
        server.fail("a", "status", times=1, status=429)
        store.read("a")
        assert store.transfer.concurrency == wide // 2


def test_no_password_in_messages():
    store = hasty("http://name:secret@127.0.0.1:9/a.zarr")
    with pytest.raises(DataError) as caught:
        store.read("x")
    assert "secret" not in f"{caught.value} {store} {store!r}"
    assert shown("https://host/a@b") == "https://host/a@b"


@pytest.mark.integration
def test_a_forked_process_is_told_instead_of_hanging(server):
    code = (
        "import os, sys\n"
        "from lepton_jlab.data.remote import RemoteStore\n"
        "store = RemoteStore(sys.argv[1])\n"
        "store.read('x/c/0/0')\n"
        "if os.fork() == 0:\n"
        "    try:\n"
        "        store.read('x/c/0/0')\n"
        "    except Exception as error:\n"
        "        print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, f"{server.url}/a.zarr"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "spawn" in done.stdout


@pytest.mark.integration
def test_a_fork_before_the_first_read_reads(server):
    code = (
        "import os, sys\n"
        "import lepton_jlab.data.remote\n"
        "if os.fork() == 0:\n"
        "    store = lepton_jlab.data.remote.RemoteStore(sys.argv[1])\n"
        "    print(len(store.read('x/c/0/0')) > 0, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, f"{server.url}/a.zarr"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "True"


# ---- buckets, and what is not installed


@pytest.fixture
def public(monkeypatch, tmp_path) -> Callable[..., None]:
    """Nobody: no credentials, and an empty home."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return monkeypatch.setenv


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("s3://bucket/deep/a.zarr", "AWS_ENDPOINT_URL"),
        ("gs://bucket/deep/a.zarr", "GOOGLE_BASE_URL"),
        ("gcs://bucket/deep/a.zarr", "GOOGLE_BASE_URL"),
    ],
)
def test_public_buckets(tmp_path, values, public, address, endpoint):
    write(tmp_path / "bucket" / "deep" / "a.zarr", values)
    with WebServer(tmp_path) as server:
        public(endpoint, server.url)
        dataset = open_dataset(address)
        np.testing.assert_array_equal(np.asarray(dataset.x), values)


def test_a_bucket_lists_what_a_group_holds(tmp_path, values, public):
    write(tmp_path / "bucket" / "a.zarr", values, consolidated=False)
    write(tmp_path / "bucket" / "a.zarr" / "test", values[:8], consolidated=False)
    with WebServer(tmp_path) as server:
        public("AWS_ENDPOINT_URL", server.url)
        dataset = open_dataset("s3://bucket/a.zarr")
        assert list(dataset.arrays) == ["x", "y"]
        assert dataset.groups == ["test"]
        np.testing.assert_array_equal(np.asarray(dataset["test"].x), values[:8])
        local = open_dataset(tmp_path / "bucket" / "a.zarr")
        assert dataset.info()["stored_bytes"] == local.info()["stored_bytes"]


def test_the_keys_of_a_profile(tmp_path, public):
    from lepton_jlab.data.remote.connect import s3_options

    public("AWS_REGION", "eu-central-1")
    assert s3_options("bucket") == {"skip_signature": True}
    file = tmp_path / "credentials"
    file.write_text("[work]\naws_access_key_id = me\naws_secret_access_key = mine\n")
    public("AWS_SHARED_CREDENTIALS_FILE", str(file))
    public("AWS_PROFILE", "work")
    assert s3_options("bucket") == {"access_key_id": "me", "secret_access_key": "mine"}
    public("AWS_ACCESS_KEY_ID", "other")
    assert s3_options("bucket") == {}


@pytest.mark.parametrize("status", [403, 200])
def test_a_bucket_tells_its_region(server, status):
    told = {"x-amz-bucket-region": "eu-west-3"}
    server.fail("bucket", "status", status=status, headers=told)
    assert bucket_region(f"{server.url}/bucket") == "eu-west-3"
    assert bucket_region("http://127.0.0.1:9/") is None


def test_a_scheme_that_nothing_reads():
    with pytest.raises(DataError, match=r"nowhere://a\.zarr cannot be opened"):
        open_node("nowhere://a.zarr")


def test_without_obstore(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    for scheme, extra in [("s3", "s3"), ("https", "http"), ("gs", "gs")]:
        with pytest.raises(MissingDependencyError, match=rf"obstore.*lepton_jlab\[{extra}\]"):
            open_node(f"{scheme}://bucket/name.zarr")
