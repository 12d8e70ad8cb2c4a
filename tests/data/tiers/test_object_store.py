"""A tier in an object store: the same name, readable by other tools, and safe whatever happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr
from data.tiers.looking import VALUES, names, snapshot

from lepton_jlab.data import find_datasets, import_dataset, open_dataset
from lepton_jlab.data.elsewhere import NAME, elsewhere
from lepton_jlab.data.storage import report, verify
from lepton_jlab.data.storage import snapshot as make_version
from lepton_jlab.data.tiers import places
from lepton_jlab.data.tiers.moving import move, undo
from lepton_jlab.data.tiers.overview import figures, overview
from lepton_jlab.errors import DataError

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]

STAGES = ["writing", "comparing", "waiting for the disk", "replacing", "removing what it replaces"]


def remote(path: Path) -> str:
    """Return the folder of the object store's process, below that of buckets, of a dataset."""
    found = elsewhere(path)
    assert found is not None
    return found.url.removeprefix("s3://")


def test_the_same_name_and_values_without_a_request_to_open(dataset, home, bucket, objects):
    before = snapshot(dataset)
    moved = move(dataset, "cold")
    assert moved.place.startswith("s3://bucket/lab/a-")
    assert len(objects()) == 40 + 2
    assert names(home) == ["a.zarr"]
    bucket.heal()  # forgets what was asked
    opened = open_dataset(dataset)
    info = opened.info()
    assert info["path"] == str(dataset)
    assert info["place"]["tier_bytes"] == {"cold": moved.bytes}
    assert info["storage"]["tiers"] == {"cold": moved.bytes}
    assert report(home)["total"]["tiers"] == {"cold": moved.bytes}
    assert f"in {moved.place}" in opened._repr_html_()
    bucket.heal()  # the picture reads labels
    assert info["stored_bytes"] == sum(
        p.stat().st_size
        for p in (bucket_folder(home) / remote(dataset)).rglob("*")
        if p.is_file() and p.name != "zarr.json"
    )
    assert places.tier_of(dataset) == "cold"
    assert find_datasets(home)[0]["samples"] == 4000
    assert bucket.requests() == []
    assert np.array_equal(opened.x[:], VALUES)
    assert np.array_equal(np.concatenate(list(opened.batches(100).numpy())), VALUES)
    assert open_dataset(dataset).x.zarr.attrs == {}
    move(dataset, "warm")
    assert objects() == []
    after = snapshot(dataset)
    for one in (before, after):
        del one["/"]["history"]
    assert after == before
    assert names(home) == ["a.zarr"]


def bucket_folder(home: Path) -> Path:
    return home.parent / "s3"


def test_other_tools(dataset, home, bucket):
    """By the document in its folder, by the URL that is in that, and by the name: metadata."""
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("aiohttp")
    move(dataset, "cold")
    url = f"{bucket.url}/{remote(dataset)}"
    options = {
        "fo": str(dataset / NAME),
        "template_overrides": {"u": url},  # the bucket, to whom has no library for s3://
        "remote_protocol": "http",
        "remote_options": {"asynchronous": True},
    }
    group: Any = zarr.open_group("reference://", storage_options=options, mode="r")
    assert np.array_equal(group["x"][:], VALUES)
    with xarray.open_zarr("reference://", storage_options=options, chunks=None) as opened:
        assert np.array_equal(opened["x"].values, VALUES)
    kvstore = {"driver": "http", "base_url": f"{url}/x"}
    found = tensorstore.open({"driver": "zarr3", "kvstore": kvstore}).result()
    assert np.array_equal(found.read().result(), VALUES)
    there = open_dataset(elsewhere(dataset).url)
    assert np.array_equal(there.x[:], VALUES)
    here: Any = zarr.open_group(str(dataset), mode="r")
    assert here["x"].shape == VALUES.shape
    assert here["x"].metadata.dimension_names == ("sample", "feature")


def test_who_looks_for_chunks_here_gets_an_error_and_never_zeros(dataset, bucket):
    old: Any = zarr.open_group(str(dataset), mode="r+")["x"]
    mine = open_dataset(dataset)
    batches = mine.batches(100)
    move(dataset, "cold")
    again: Any = zarr.open_group(str(dataset), mode="r")["x"]
    for fail in (lambda: old[:5], lambda: again[:5], lambda: mine.x[:5]):
        with pytest.raises((OSError, DataError), match="symbolic links"):
            fail()
    with pytest.raises(OSError, match=r"exist|symbolic"):
        old[:] = 1
    with pytest.raises(DataError, match="was moved to an object store while it was read"):
        next(iter(batches.numpy()))


def test_a_lost_object_is_an_error(dataset, home, bucket):
    move(dataset, "cold")
    (bucket_folder(home) / remote(dataset) / "x" / "c" / "7" / "0").unlink()
    with pytest.raises(DataError, match=r"x/c/7/0 is gone, though .*a\.zarr has its chunks there"):
        open_dataset(dataset).x[700:720]
    with pytest.raises(DataError, match=r"x/c/7/0 is gone"):
        list(open_dataset(dataset).batches(100).numpy())
    [finding] = verify(dataset).findings
    assert (finding.chunk, finding.kind) == ("7/0", "missing")
    with pytest.raises(DataError, match="lacks 1 of its 40 chunks"):
        move(dataset, "warm")
    assert places.tier_of(dataset) == "cold"


def test_all_kinds_of_arrays_there_and_back(home, bucket, objects):
    path = home / "foreign.zarr"
    rng = np.random.default_rng(1)
    root = zarr.create_group(str(path), attributes={"title": "all"})
    inner = root.create_group("deep").create_group("deeper", attributes={"n": [1, None]})
    values = rng.integers(0, 9, (50, 4))
    inner.create_array("a b", data=values, chunks=(7, 3))
    root.create_array(
        "sharded", data=np.arange(400.0).reshape(100, 4), chunks=(5, 2), shards=(20, 4)
    )
    root.create_array("text", shape=(30,), dtype="str", chunks=(8,))[:] = ["né", "", "x" * 99] * 10
    for separator in "./":
        key = {"name": "v2", "separator": separator}
        name = f"keys {'by dots' if separator == '.' else 'by folders'}"
        root.create_array(
            name, data=np.arange(90).reshape(30, 3), chunks=(4, 2), chunk_key_encoding=key
        )
    root.create_array("single", data=np.array(3.5))
    root.create_array("none", shape=(0, 4), dtype="f4", chunks=(1, 4))
    sparse = root.create_array("sparse", shape=(100,), chunks=(10,), dtype="i4", fill_value=7)
    sparse[33] = 1
    (path / "deep" / "notes.txt").write_text("not Zarr's")
    zarr.consolidate_metadata(str(path))
    before = snapshot(path)
    move(path, "cold")
    opened = open_dataset(path)
    assert opened.groups == ["deep"]
    assert np.array_equal(opened._node["sparse"][30:36], [7, 7, 7, 1, 7, 7])
    deeper = open_dataset(path / "deep" / "deeper")
    assert np.array_equal(deeper._node["a b"][:], values)
    move(path, "hot")
    after = snapshot(path)
    for one in (before, after):
        del one["/"]["history"]
    assert after == before
    assert (path / "deep" / "notes.txt").read_text() == "not Zarr's"
    assert objects() == []


@pytest.mark.parametrize("keep", [True, False])
def test_undo(dataset, home, bucket, objects, keep):
    inode = dataset.stat().st_ino
    move(dataset, "cold", keep=keep)
    assert undo(dataset).tier == "warm"
    if keep:  # the very folder; a new one may get the number of the old one by chance
        assert dataset.stat().st_ino == inode
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    assert objects() == []
    assert names(home) == ["a.zarr"]
    move(dataset, "cold")
    move(dataset, "hot", keep=True)
    kept = objects()
    assert undo(dataset).tier == "cold"
    assert objects() == kept
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)


def test_from_one_codec_to_another_in_one_bucket(dataset, bucket, objects, say):
    move(dataset, "cold")
    first = remote(dataset)
    say('[cold]\nfolder = "s3://bucket/lab"\ncodec = "zstd-19"\n')
    move(dataset, "cold")
    assert remote(dataset) != first
    assert len(objects()) == 42
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)


def test_machines_with_equal_paths_share_a_bucket(dataset, home, bucket, objects, say):
    """Neither takes what the other has there for its own."""
    move(dataset, "cold")
    theirs = objects()
    dataset.rename(home / "moved away")
    import_dataset(home.parent / "a.npy", dataset, chunk=100, shard="none")
    move(dataset, "cold")
    move(dataset, "hot")
    assert objects() == theirs


def test_nothing_is_asked_to_show_tiers(dataset, bucket):
    move(dataset, "cold")
    bucket.close()
    [row] = overview({str(dataset): {}})
    assert (row["tier"], row["to"]) == ("cold", "cold")
    [row] = overview({str(dataset): {"policy": "hot"}})
    assert (row["to"], row["to_bytes"] > row["bytes"]) == ("hot", True)
    assert figures(str(dataset))["money_per_month"] > 0


def test_what_is_there_has_no_versions_made_of_it(dataset, bucket):
    move(dataset, "cold")
    with pytest.raises(DataError, match=r"chunks of a.zarr are in s3://bucket.* --policy warm"):
        make_version(dataset, "v1")


# ---- what goes wrong


@pytest.mark.fault
@pytest.mark.parametrize("where", STAGES)
def test_killed_it_is_the_old_or_the_new(dataset, home, bucket, objects, killed, where):
    killed(dataset, "cold", where)
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    assert (places.tier_of(dataset) == "cold") == where.startswith("removing")
    said: list[str] = []
    move(dataset, "cold", progress=lambda _done, _total, text: said.append(text))
    assert ("going on where a move was killed" in said) == (where in STAGES[:3])
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    assert len(open_dataset(dataset).attrs["lepton"]["history"]) == 2
    assert len(objects()) == 42
    assert names(home) == ["a.zarr"]
    killed(dataset, "warm", where)
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    move(dataset, "warm")
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    assert objects() == []
    assert names(home) == ["a.zarr"]


@pytest.mark.fault
@pytest.mark.parametrize("where", STAGES[:4])
def test_killed_and_then_another_tier(dataset, home, bucket, objects, killed, where):
    killed(dataset, "cold", where)
    move(dataset, "hot")
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    assert objects() == []
    assert names(home) == ["a.zarr"]


@pytest.mark.parametrize("where", ["writing", "comparing", "replacing"])
def test_an_interrupt_leaves_the_old(dataset, home, bucket, objects, where):
    before = snapshot(dataset)

    def stop(_done: int, _total: int, text: str) -> None:
        if text == where:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(dataset, "cold", progress=stop)
    assert snapshot(dataset) == before
    assert names(home) == ["a.zarr"]
    assert objects() == []


@pytest.mark.parametrize(
    ("match", "status"), [("x/c/7/0", 403), ("zarr.json", 403), ("list-type", 403)]
)
def test_a_store_that_refuses_leaves_the_old(dataset, home, bucket, objects, match, status):
    before = snapshot(dataset)
    bucket.fail(match, "status", status=status)
    with pytest.raises(DataError, match=rf"s3://bucket/lab/a-.* cannot be .*{status}.*credentials"):
        move(dataset, "cold")
    assert snapshot(dataset) == before
    assert places.tier_of(dataset) == "warm"
    bucket.heal()
    move(dataset, "hot")  # what could not be removed goes now
    assert objects() == []
    assert names(home) == ["a.zarr"]


def test_passing_faults_change_nothing(dataset, bucket):
    bucket.fail("x/c", "status", status=503, every=7)
    move(dataset, "cold")
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    move(dataset, "warm")
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)


def test_what_was_written_wrong_is_noticed(dataset, bucket, objects):
    bucket.fail("x/c/7/0", "garbage", times=2)  # writing is one, reading it back the other
    with pytest.raises(DataError, match="does not hold what was written"):
        move(dataset, "cold")
    assert objects() == []
    assert places.tier_of(dataset) == "warm"


def test_a_dry_run_asks_the_store_for_nothing(dataset, bucket):
    from lepton_jlab.commands import Context, perform
    from lepton_jlab.parsing import parse, split

    shown = perform(parse(split(f"data tier {dataset} --policy cold --dry-run")), Context())
    [row] = json.loads(shown.json())["datasets"]
    assert row["saved_per_month"] > 0
    assert bucket.requests() == []
