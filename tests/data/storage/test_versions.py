"""Versions: made, listed, opened, brought back, dropped; each costs what has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.storage.conftest import IMAGES, LABELS, chunk_files, everything, values

from lepton_jlab.data import open_dataset, renaming
from lepton_jlab.data.storage import (
    collect,
    dedup,
    drop,
    restore,
    snapshot,
    verify,
    version_folder,
    versioning,
    versions,
)
from lepton_jlab.errors import DataError, NotFoundError, UsageError


def correct(folder: Path, sample: int = 5, value: int = 0) -> None:
    array: Any = zarr.open_group(str(folder), mode="r+")["x"]
    array[sample] = value


def test_a_version_is_what_the_dataset_was(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    correct(dataset)
    kept = values(version_folder(dataset, "v1"))
    assert np.array_equal(kept["x"], IMAGES)
    assert np.array_equal(kept["y"], LABELS)
    assert not np.array_equal(values(dataset)["x"], IMAGES)


def test_a_version_takes_the_space_of_what_changed(dataset: Path) -> None:
    first = snapshot(dataset, "v1", private=False)
    assert first["new_bytes"] == sum(s.st_size for s in chunk_files(dataset).values())
    correct(dataset)
    second = snapshot(dataset, "v2", private=False)
    assert second["new_bytes"] == (dataset / "x/c/0/0/0").stat().st_size
    documents = sum(p.stat().st_size for p in dataset.rglob("zarr.json"))
    record = (Path(second["path"]).parent / "version.json").stat().st_size
    assert second["own_bytes"] == documents + record  # its chunks are those of the dataset
    before = next(row for row in versions(dataset) if row["name"] == "v1")
    old = (Path(before["path"]) / "x/c/0/0/0").stat().st_size
    assert before["own_bytes"] == documents + record + old


def test_versions_are_listed_oldest_first(dataset: Path) -> None:
    for name in ("zulu", "alpha", "2026-01 b"):
        snapshot(dataset, name, private=False)
    assert [row["name"] for row in versions(dataset)] == ["zulu", "alpha", "2026-01 b"]
    assert versions(dataset)[0]["files"] == 25
    assert versions(dataset)[0]["private"] is False


def test_a_part_of_a_version_is_opened_by_the_name_of_the_part(dataset: Path) -> None:
    inner = zarr.open_group(str(dataset), mode="r+").create_group("test")
    inner.create_array("x", shape=(3,), dtype="u1")[:] = [1, 2, 3]
    snapshot(dataset, "v1", private=False)
    folder = version_folder(dataset / "test", "v1")
    assert open_dataset(folder).arrays["x"][:].tolist() == [1, 2, 3]


def test_restoring_brings_everything_back(dataset: Path) -> None:
    before = everything(dataset)
    snapshot(dataset, "v1", private=False)
    correct(dataset)
    group = zarr.open_group(str(dataset), mode="r+")
    group.create_array("more", shape=(3,), dtype="u1")[:] = 1
    group.attrs["note"] = "changed"
    snapshot(dataset, "v2", private=False)
    after = everything(dataset)
    assert restore(dataset, "v1")["lost"] == 0
    assert everything(dataset) == before
    restore(dataset, "v2")
    assert everything(dataset) == after
    assert verify(dataset).findings == []


def test_keeping_and_restoring_tell_how_far_they_are_and_can_be_stopped(dataset: Path) -> None:
    told: list[tuple[int, int, str]] = []
    snapshot(dataset, "first", progress=lambda *how: told.append(how))
    assert told == [(n + 1, 22, "keeping a.zarr") for n in range(22)]
    zarr.open_group(str(dataset), mode="r+")["y"][0] = 3
    before = everything(dataset.parent)

    def stop(done: int, total: int, text: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    for work in (
        lambda: snapshot(dataset, "second", progress=stop),
        lambda: restore(dataset, "first", force=True, progress=stop),
    ):
        with pytest.raises(KeyboardInterrupt):
            work()
        assert everything(dataset.parent) == before
    told.clear()
    restore(dataset, "first", force=True, progress=lambda *how: told.append(how))
    assert {(total, text) for _, total, text in told} == {
        (25, "looking at a.zarr"),
        (25, "restoring a.zarr"),
    }


def test_restoring_does_not_give_up_what_no_version_has(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    correct(dataset)
    before = everything(dataset)
    with pytest.raises(DataError, match=r"1 files that are in no version, such as x/c/0/0/0"):
        restore(dataset, "v1")
    assert everything(dataset) == before
    assert restore(dataset, "v1", force=True)["lost"] == 1
    assert np.array_equal(values(dataset)["x"], IMAGES)


def test_files_that_versions_have_in_another_combination_are_not_given_up(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    correct(dataset, 5)
    snapshot(dataset, "v2", private=False)
    restore(dataset, "v1")
    correct(dataset, 395)
    snapshot(dataset, "v3", private=False)
    correct(dataset, 5)  # the first chunk of v2, the last of v3
    with pytest.raises(DataError, match="in no version"):
        restore(dataset, "v1")


def test_writing_after_restoring_leaves_the_version_alone(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    restore(dataset, "v1")
    correct(dataset)
    assert np.array_equal(values(version_folder(dataset, "v1"))["x"], IMAGES)


def test_dropping_frees_what_was_its_own(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    correct(dataset)
    snapshot(dataset, "v2", private=False)
    own = versions(dataset)[0]["own_bytes"]
    freed = drop(dataset, "v1")["freed_bytes"]
    record = own - freed
    assert 0 < record < 3000  # version.json is not counted as freed
    assert [row["name"] for row in versions(dataset)] == ["v2"]
    assert verify(dataset).findings == []
    drop(dataset, "v2")
    assert versions(dataset) == []
    assert sorted(p.name for p in (dataset.parent / ".lepton").rglob("*") if p.is_file())[-1] == (
        "lock"
    )


def test_after_everything_is_gone_nothing_is_left(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    drop(dataset, "v1")
    for file in sorted(dataset.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    collect(dataset.parent)
    assert {p.name for p in (dataset.parent / ".lepton").rglob("*")} == {"chunks", "lock"}


def test_names_that_are_taken_or_cannot_be(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    before = everything(dataset.parent)
    with pytest.raises(DataError, match="has a version 'v1' already"):
        snapshot(dataset, "v1", private=False)
    for name in ("", ".", "..", "../v", "a/b", ".hidden", "-f", "x" * 300, "a\nb"):
        with pytest.raises(UsageError):
            snapshot(dataset, name, private=False)
    assert everything(dataset.parent) == before


def test_a_version_that_is_not_there(dataset: Path) -> None:
    with pytest.raises(NotFoundError, match=r"has no version 'v1'.*has none yet.*snapshot"):
        restore(dataset, "v1")
    snapshot(dataset, "first", private=False)
    for act in (restore, drop, version_folder):
        with pytest.raises(NotFoundError, match="Did you mean 'first'"):
            act(dataset, "frist")


def test_two_at_once_with_one_name(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = versioning._build

    def build_late(*args: Any) -> Any:
        done = build(*args)
        monkeypatch.setattr(versioning, "_build", build)
        snapshot(dataset, "v1", private=False)
        return done

    monkeypatch.setattr(versioning, "_build", build_late)
    with pytest.raises(DataError, match="already"):
        snapshot(dataset, "v1", private=False)
    assert len(versions(dataset)) == 1
    assert verify(dataset).findings == []
    assert list((dataset.parent / ".lepton" / "incoming").iterdir()) == []


def test_a_chunk_that_goes_while_it_is_listed(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill, calls = versioning._fill, []

    def fill_late(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise FileNotFoundError
        return fill(*args)

    monkeypatch.setattr(versioning, "_fill", fill_late)
    (dataset.parent / ".lepton").mkdir()
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    snapshot(dataset, "v1", private=False)
    assert np.array_equal(values(version_folder(dataset, "v1"))["x"], IMAGES)


def test_a_damaged_version_is_not_restored(dataset: Path) -> None:
    snapshot(dataset, "v1", private=True)
    correct(dataset)
    before = everything(dataset)
    file = Path(version_folder(dataset, "v1")) / "x/c/7/0/0"
    file.chmod(0o644)
    file.write_bytes(b"\0" * file.stat().st_size)
    with pytest.raises(DataError, match=r"'v1' of a.zarr is damaged: x/c/7/0/0"):
        restore(dataset, "v1", force=True)
    file.unlink()
    with pytest.raises(DataError, match=r"'v1' of a.zarr is damaged: x/c/7/0/0"):
        restore(dataset, "v1", force=True)
    assert everything(dataset) == before


def test_a_damaged_record_is_said_and_dropped(dataset: Path) -> None:
    record = Path(snapshot(dataset, "v1", private=False)["path"]).parent / "version.json"
    record.write_text("{")
    with pytest.raises(DataError, match="record of version 'v1' is damaged"):
        versions(dataset)
    (finding,) = verify(dataset).findings
    assert (finding.version, finding.key) == ("v1", "version.json")
    drop(dataset, "v1")
    assert versions(dataset) == []


def test_the_record_has_the_digest_of_each_file(dataset: Path) -> None:
    import hashlib

    path = Path(snapshot(dataset, "v1", private=False)["path"])
    record = json.loads((path.parent / "version.json").read_text())
    found = {key: hashlib.sha256(b).hexdigest() for key, b in everything(path).items()}
    assert record["files"] == found


def test_private_files_stay_writable_and_of_one_owner(dataset: Path) -> None:
    inodes = {s.st_ino for s in chunk_files(dataset).values()}
    snapshot(dataset, "v1", private=True)
    correct(dataset)
    row = snapshot(dataset, "v2")  # as the last one
    assert row["private"] is True
    assert row["new_bytes"] == (dataset / "x/c/0/0/0").stat().st_size
    assert all(s.st_nlink == 1 and s.st_mode & 0o200 for s in chunk_files(dataset).values())
    assert len(inodes & {s.st_ino for s in chunk_files(dataset).values()}) == 21
    restore(dataset, "v1")
    assert all(s.st_nlink == 1 for s in chunk_files(dataset).values())
    shared = snapshot(dataset, "v3", private=False)
    assert shared["private"] is False
    assert all(s.st_nlink > 1 for s in chunk_files(dataset).values())


def test_shared_files_become_private_again(dataset: Path) -> None:
    before = everything(dataset)
    snapshot(dataset, "v1", private=False)
    assert snapshot(dataset, "v2", private=True)["new_bytes"] == 0
    assert all(s.st_nlink == 1 and s.st_mode & 0o200 for s in chunk_files(dataset).values())
    dedup(dataset, force=True)
    snapshot(dataset, "v3")
    assert all(s.st_nlink == 1 for s in chunk_files(dataset).values())
    assert everything(dataset) == before
    assert verify(dataset).findings == []


def test_where_names_cannot_be_exchanged_it_is_done_in_two_steps(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot(dataset, "v1", private=False)
    correct(dataset)
    monkeypatch.setattr(renaming, "exchange", lambda *_: False)
    restore(dataset, "v1", force=True)
    assert np.array_equal(values(dataset)["x"], IMAGES)
    assert sorted(p.name for p in dataset.parent.iterdir()) == [".lepton", "a.zarr"]


def test_a_deduplicated_dataset_is_not_read_again(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dedup(dataset, force=True)
    read: list[Path] = []
    monkeypatch.setattr(
        "lepton_jlab.data.storage.keeping.digest_of", lambda file: read.append(file) or ""
    )
    assert snapshot(dataset, "v1", private=False)["new_bytes"] == 0
    assert read == []
