"""Moves: the same values, names and attributes, for every reader; and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr
from data.tiers.looking import VALUES, names, snapshot

from lepton_jlab.data import import_dataset, open_dataset
from lepton_jlab.data.tiers import places, recoding
from lepton_jlab.data.tiers.guarding import disk_bytes
from lepton_jlab.data.tiers.moving import move, undo
from lepton_jlab.errors import DataError, NotFoundError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore")
"""Zarr warns of data types without a specification."""


def codecs(path: Path, array: str = "x") -> list[Any]:
    return json.loads((path / array / "zarr.json").read_text())["codecs"]


def test_a_move_changes_the_codec_and_nothing_else(dataset, home):
    before = snapshot(dataset)
    size = disk_bytes(dataset)
    moved = move(dataset, "cold")
    assert (moved.before, moved.tier, moved.bytes_before) == ("warm", "cold", size)
    assert moved.bytes == disk_bytes(dataset) < size
    after = snapshot(dataset)
    assert after["/"].pop("history")[:-1] == before["/"].pop("history")
    assert after == before
    assert codecs(dataset)[1]["configuration"]["clevel"] == 9
    assert places.tier_of(dataset) == "cold"
    assert names(home) == ["a.zarr"]


def test_there_and_back_has_the_codecs_of_the_import(make):
    dataset = make(codec="zstd")
    before = codecs(dataset)
    for tier in ("cold", "hot", "cold", "warm"):
        assert move(dataset, tier).tier == places.tier_of(dataset) == tier
    assert codecs(dataset) == before
    entries = open_dataset(dataset).attrs["lepton"]["history"]
    assert [entry["action"] for entry in entries] == ["import"] + ["tier"] * 4
    assert sum("warm" in entry for entry in entries) == 1


def test_moved_where_it_is_already_nothing_happens(dataset):
    move(dataset, "cold")
    inode = dataset.stat().st_ino
    move(dataset, "cold")
    assert dataset.stat().st_ino == inode
    assert len(open_dataset(dataset).attrs["lepton"]["history"]) == 2


def test_what_is_as_the_tier_would_have_it_is_only_noted(make):
    dataset = make(codec="blosc-lz4")
    chunk = (dataset / "x" / "c" / "0" / "0").stat().st_ino
    assert move(dataset, "hot").before == "warm"
    assert places.tier_of(dataset) == "hot"
    assert (dataset / "x" / "c" / "0" / "0").stat().st_ino == chunk


def everything(path: Path) -> None:
    """Write arrays of many kinds, without Lepton."""
    rng = np.random.default_rng(1)
    root = zarr.create_group(str(path), attributes={"title": "all", "lepton": {"roles": {}}})
    inner = root.create_group("deep").create_group("deeper", attributes={"n": [1, None]})
    for dtype in ("?", "i1", "u8", "<f4", ">f8", "c16", "f2", "U5", "S3", "M8[s]"):
        values = rng.integers(0, 99, (50, 4)).astype(dtype)
        array = inner.create_array(
            f"a {np.dtype(dtype).name}",
            shape=(50, 4),
            dtype=dtype,
            chunks=(7, 3),
            dimension_names=("sample", "b"),
        )
        array[:] = values
    odd = rng.integers(0, 2**32, 60, "u4").view("f4")  # with all kinds of not-a-number
    root.create_array("nan", data=odd, chunks=(11,), fill_value=np.nan)
    root.create_array("text", shape=(30,), dtype="str", chunks=(8,))[:] = ["né", "", "x" * 99] * 10
    root.create_array(
        "sharded", data=np.arange(400.0).reshape(100, 4), chunks=(5, 2), shards=(20, 4)
    )
    root.create_array("bare", data=np.arange(90), chunks=(10,), compressors=None)
    root.create_array(
        "bare shards", data=np.arange(90), chunks=(5,), shards=(30,), compressors=None
    )
    root.create_array("single", data=np.array(3.5))
    root.create_array("none", shape=(0, 4), dtype="f4", chunks=(1, 4))
    sparse = root.create_array("sparse", shape=(100,), chunks=(10,), dtype="i4", fill_value=7)
    sparse[33] = 1
    (path / "deep" / "notes.txt").write_text("not Zarr's")
    zarr.consolidate_metadata(str(path))


def test_what_others_wrote_comes_through_bit_by_bit(home):
    path = home / "foreign.zarr"
    everything(path)
    before = snapshot(path)
    assert before["/"].pop("history") == []
    for tier in ("cold", "hot"):
        move(path, tier)
        after = snapshot(path)
        after["/"].pop("history")
        assert after == before
    assert (path / "deep" / "notes.txt").read_text() == "not Zarr's"
    assert codecs(path, "deep/deeper/a float64")[1]["configuration"]["cname"] == "lz4"
    assert codecs(path, "sharded")[0]["configuration"]["codecs"][1]["name"] == "blosc"
    # Nobody who has it open could tell such chunks from others: they stay as they are.
    assert codecs(path, "bare shards")[0]["configuration"]["codecs"] == [
        {"name": "bytes", "configuration": {"endian": "little"}}
    ]
    group = zarr.open_group(str(path), mode="r")
    assert group.metadata.consolidated_metadata is not None
    assert (
        group["nan"].metadata.to_dict()["codecs"]
        == zarr.open_array(str(path / "nan")).metadata.to_dict()["codecs"]
    )


@pytest.mark.parametrize("tier", ["hot", "cold"])
@pytest.mark.parametrize(
    "options", [{}, {"shard": 500}, {"codec": "none"}, {"codec": "gzip"}], ids=str
)
def test_every_reader_reads_it(make, slow, tier, options):
    dataset = make(**options)
    move(dataset, tier)
    assert np.array_equal(zarr.open_group(str(dataset), mode="r")["x"][:], VALUES)
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(dataset / "x")}}
    assert np.array_equal(tensorstore.open(spec).result().read().result(), VALUES)
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)


def test_xarray_reads_it(make, slow):
    xarray = pytest.importorskip("xarray")
    dataset = make()
    move(dataset, "cold")
    assert np.array_equal(xarray.open_zarr(str(dataset))["x"].values, VALUES)


# ---- another folder


def test_another_folder_leaves_a_link_of_the_name(dataset, slow, home):
    move(dataset, "cold")
    assert dataset.is_symlink()
    [there] = slow.iterdir()
    assert dataset.resolve() == there.resolve()
    assert there.name.startswith("a-")
    assert there.name.endswith(".zarr")
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    assert places.identity(dataset) == str(dataset)
    assert names(home) == ["a.zarr"]
    move(dataset, "warm")
    assert not dataset.is_symlink()
    assert names(slow) == []
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)


def test_two_datasets_of_one_name_do_not_meet(make, slow, home):
    one, two = make(), home / "b" / "a.zarr"
    two.parent.mkdir()
    import_dataset(one, two)
    for dataset in (one, two):
        move(dataset, "cold")
    assert len(names(slow)) == 2
    move(one, "hot")
    assert np.array_equal(open_dataset(two).x[:], VALUES)


def test_another_codec_in_the_same_folder(dataset, slow, say):
    move(dataset, "cold")
    first = names(slow)
    say(f'[cold]\nfolder = "{slow}"\ncodec = "zstd-19"\n')
    move(dataset, "cold")
    assert codecs(dataset)[1]["name"] == "zstd"
    assert len(names(slow)) == 1
    assert names(slow) != first


def test_a_link_of_the_users_is_followed(dataset, home):
    (home / "mine.zarr").symlink_to("a.zarr")
    move(home / "mine.zarr", "cold")
    assert (home / "mine.zarr").is_symlink()
    assert not dataset.is_symlink()
    assert places.tier_of(dataset) == places.tier_of(home / "mine.zarr") == "cold"


def test_a_copy_by_import_is_warm_again(dataset, home):
    move(dataset, "cold")
    import_dataset(dataset, home / "copy.zarr")
    assert places.tier_of(home / "copy.zarr") == "warm"


def test_versions_are_not_left_behind(dataset, slow, home):
    (home / ".lepton" / "versions" / "a.zarr" / "first").mkdir(parents=True)
    with pytest.raises(DataError, match=r"a.zarr has versions, which stay in"):
        move(dataset, "cold")
    assert move(dataset, "hot").tier == "hot"  # beside its name they are found


# ---- undo


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_undo(dataset, home, slow, say, keep, elsewhere):
    if not elsewhere:
        say("")
    before, inode = snapshot(dataset), dataset.stat().st_ino
    move(dataset, "cold", keep=keep)
    assert names(home) == ([".a.zarr.before"] if keep else []) + ["a.zarr"]
    undone = undo(dataset)
    assert (undone.before, undone.tier) == ("cold", "warm")
    assert not keep or dataset.stat().st_ino == inode
    after = snapshot(dataset)
    if not keep:
        assert len(after["/"].pop("history")) == len(before["/"].pop("history")) + 2
    assert after == before
    assert names(home) == ["a.zarr"]
    if elsewhere:
        assert names(slow) == []


def test_the_next_move_drops_what_was_kept(dataset, home, slow):
    move(dataset, "cold", keep=True)
    move(dataset, "hot", keep=True)
    assert names(home) == [".a.zarr.before", "a.zarr"]
    assert undo(dataset).tier == "cold"
    assert dataset.is_symlink()
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    undo(dataset)
    assert names(slow) == []
    assert names(home) == ["a.zarr"]


def test_nothing_to_undo(dataset):
    with pytest.raises(DataError, match="has not been moved"):
        undo(dataset)


# ---- refused, with everything as it was


def test_what_cannot_be_moved(dataset, home):
    with pytest.raises(UsageError, match=r"There is no tier 'cool'. There are: hot, warm, cold"):
        move(dataset, "cool")
    with pytest.raises(NotFoundError, match=r"Did you mean 'a.zarr'"):
        move(home / "aa.zarr", "cold")
    with pytest.raises(DataError, match="is a URL"):
        move("s3://bucket/a.zarr", "cold")
    (home / "plain").mkdir()
    with pytest.raises(DataError, match="not a Zarr dataset"):
        move(home / "plain", "cold")
    zarr.create_group(str(home / "old.zarr"), zarr_format=2).create_array(
        "x", shape=(4,), dtype="i4"
    )
    with pytest.raises(DataError, match="is Zarr v2, whose codecs are not changed"):
        move(home / "old.zarr", "cold")


def test_a_damaged_dataset_is_not_made_to_look_whole(dataset):
    (dataset / "x" / "c" / "7" / "0").unlink()
    before = names(dataset / "x" / "c")
    with pytest.raises(DataError, match="lacks 1 of its 40 chunks"):
        move(dataset, "cold")
    assert names(dataset / "x" / "c") == before
    data = bytearray((dataset / "x" / "c" / "8" / "0").read_bytes())
    data[50] ^= 1
    (dataset / "x" / "c" / "8" / "0").write_bytes(data)
    (dataset / "x" / "c" / "7" / "0").write_bytes(b"")
    with pytest.raises(Exception, match=r"crc|checksum|size|buffer|bytes|decod"):
        move(dataset, "cold")
    assert places.tier_of(dataset) == "warm"


def test_who_changes_it_meanwhile_wins(dataset, home):
    def change(_done: int, _total: int, text: str) -> None:
        if text == "waiting for the disk":
            zarr.open_group(str(dataset), mode="r+")["x"][5] = 1

    with pytest.raises(DataError, match="was changed while it was moved"):
        move(dataset, "cold", progress=change)
    assert names(home) == ["a.zarr"]
    assert (open_dataset(dataset).x[5] == 1).all()


def test_what_was_written_wrong_is_noticed(dataset, home, monkeypatch):
    begin = recoding.jobs_of

    def other(*args: Any) -> Any:
        jobs = begin(*args)
        jobs[0].target[17] = 99
        monkeypatch.setattr(recoding, "fill", lambda *_: None, raising=False)
        return jobs

    monkeypatch.setattr(recoding, "jobs_of", other)
    monkeypatch.setattr("lepton_jlab.data.tiers.moving.fill", lambda *_: None)
    with pytest.raises(DataError, match="does not hold what was written"):
        move(dataset, "cold")
    assert names(home) == ["a.zarr"]
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)


def test_one_move_at_a_time(dataset):
    said = []

    def also(_done: int, _total: int, text: str) -> None:
        if text == "replacing":
            with pytest.raises(DataError, match="is being moved already"):
                move(dataset, "hot")
            said.append(text)

    move(dataset, "cold", progress=also)
    assert said == ["replacing"]


@pytest.mark.parametrize("where", ["writing", "comparing", "replacing"])
def test_an_interrupt_leaves_the_old(dataset, home, slow, where):
    before = snapshot(dataset)

    def stop(_done: int, _total: int, text: str) -> None:
        if text == where:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(dataset, "cold", progress=stop)
    assert snapshot(dataset) == before
    assert names(home) == ["a.zarr"]
    assert names(slow) == []


def test_compressed_and_by_chance_as_long_as_before(home, monkeypatch):
    root = zarr.create_group(str(home / "raw.zarr"))
    root.create_array("x", data=np.zeros(1000, "u1"), chunks=(100,), compressors=None)
    stat = Path.stat

    class AsLong:
        st_size = 100

    def same(path: Path, **how: Any) -> Any:
        return AsLong() if path.parent.name == "c" and "moving" in str(path) else stat(path, **how)

    monkeypatch.setattr(Path, "stat", same)
    with pytest.raises(DataError, match="would be as long when it is compressed"):
        move(home / "raw.zarr", "cold")


@pytest.mark.parametrize("keep", [True, False])
def test_where_names_cannot_be_exchanged(dataset, home, slow, monkeypatch, keep):
    monkeypatch.setattr("lepton_jlab.data.renaming.exchange", lambda *_: False)
    for tier in ("hot", "cold", "warm"):
        move(dataset, tier, keep=keep)
        assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    assert names(home) == ([".a.zarr.before"] if keep else []) + ["a.zarr"]
    if keep:
        assert undo(dataset).tier == "cold"
        assert names(home) == ["a.zarr"]


def test_killed_where_names_cannot_be_exchanged_it_comes_back(dataset, home):
    dataset.rename(places.aside(dataset))
    assert move(dataset, "cold").tier == "cold"
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    assert names(home) == ["a.zarr"]


Make = Callable[..., Path]


def test_the_mode_of_folders_and_files_lets_others_read(dataset):
    mask = os.umask(0o022)
    try:
        move(dataset, "cold")
    finally:
        os.umask(mask)
    assert dataset.stat().st_mode & 0o055 == 0o055
    assert (dataset / "zarr.json").stat().st_mode & 0o044 == 0o044
