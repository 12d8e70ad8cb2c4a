"""Equal chunks are one file; the dataset stays what it was for every reader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.storage.conftest import IMAGES, LABELS, chunk_files, everything, values, write

from lepton_jlab.data import find_datasets, open_dataset
from lepton_jlab.data.storage import collect, dedup, drop, footprint, report, sizes, snapshot
from lepton_jlab.data.storage.blobs import Blobs, digest_of
from lepton_jlab.data.storage.keeping import Keeping
from lepton_jlab.data.storage.place import place_of
from lepton_jlab.errors import DataError, NotFoundError


def blobs(folder: Path) -> dict[str, Path]:
    return {digest: Path(entry.path) for digest, entry in Blobs(folder / ".lepton").all()}


def test_equal_chunks_of_two_datasets_are_one_file(dataset: Path, tmp_path: Path) -> None:
    twin = write(tmp_path / "b.zarr")
    before = everything(dataset)
    assert dedup(dataset, force=True)["freed_bytes"] == 0
    done = dedup(twin, force=True)
    assert done["freed_bytes"] == done["bytes"] > 0
    assert done["files"] == 22
    assert done["note"] == ""
    assert everything(dataset) == everything(twin) == before
    mine, theirs = chunk_files(dataset), chunk_files(twin)
    assert {key: s.st_ino for key, s in mine.items()} == {k: s.st_ino for k, s in theirs.items()}


def test_equal_chunks_within_a_dataset_are_one_file(tmp_path: Path) -> None:
    same = np.repeat(IMAGES[:20], 20, axis=0)
    folder = write(tmp_path / "a.zarr", np.zeros_like(same))
    dedup(folder, force=True)
    assert len({s.st_ino for key, s in chunk_files(folder).items() if key.startswith("x/")}) == 1
    assert np.array_equal(values(folder)["x"], np.zeros_like(same))


def test_shared_chunks_are_named_by_their_bytes_and_read_only(dataset: Path) -> None:
    dedup(dataset, force=True)
    found = blobs(dataset.parent)
    assert len(found) == 22
    for digest, file in found.items():
        assert digest_of(file) == digest
        assert file.stat().st_mode & 0o777 == 0o444
        assert file.stat().st_nlink == 2


def test_doing_it_again_reads_nothing(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dedup(dataset, force=True)
    read: list[Path] = []
    monkeypatch.setattr(
        "lepton_jlab.data.storage.keeping.digest_of", lambda file: read.append(file) or ""
    )
    assert dedup(dataset, force=True)["freed_bytes"] == 0
    assert read == []


def test_a_writer_that_replaces_files_leaves_twins_alone(dataset: Path, tmp_path: Path) -> None:
    twin = write(tmp_path / "b.zarr")
    dedup(dataset, force=True)
    dedup(twin, force=True)
    array: Any = zarr.open_group(str(dataset), mode="r+")["x"]
    array[:] = 7
    assert np.array_equal(values(twin)["x"], IMAGES)
    assert np.all(values(dataset)["x"] == 7)


def test_collection_frees_what_nobody_has(dataset: Path, tmp_path: Path) -> None:
    twin = write(tmp_path / "b.zarr", IMAGES[::-1])
    dedup(dataset, force=True)
    dedup(twin, force=True)
    assert len(blobs(tmp_path)) == 22 + 20
    for file in sorted(twin.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    twin.rmdir()
    done = collect(tmp_path)
    assert done["files"] == 20
    assert len(blobs(tmp_path)) == 22
    assert np.array_equal(values(dataset)["x"], IMAGES)
    assert collect(tmp_path) == {"files": 0, "bytes": 0, "abandoned": 0}


def test_where_nothing_is_shared_there_is_nothing_to_collect(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="shares chunks"):
        collect(tmp_path)


def test_a_damaged_blob_is_not_shared_but_replaced(dataset: Path, tmp_path: Path) -> None:
    dedup(dataset, force=True)
    digest, blob = next(iter(blobs(tmp_path).items()))
    content = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(content[::-1])  # of the same size
    twin = write(tmp_path / "b.zarr")
    dedup(twin, force=True)
    assert np.array_equal(values(twin)["x"], IMAGES)
    assert np.array_equal(values(twin)["y"], LABELS)
    assert blob.read_bytes() == content
    assert digest_of(blob) == digest


def test_a_chunk_written_while_it_is_shared_is_not_lost(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dedup(
        write(tmp_path / "b.zarr"), force=True
    )  # so that all of them have a blob to be exchanged for
    publish = Blobs.publish
    wanted = {key: digest_of(dataset / key) for key in ("x/c/3/0/0", "x/c/4/0/0")}

    def publish_late(self: Blobs, file: Path, digest: str) -> bool:
        shared = publish(self, file, digest)
        for key in (key for key, expected in wanted.items() if expected == digest):
            new = tmp_path / digest
            new.write_bytes(b"newer")
            new.replace(dataset / key)
        return shared

    monkeypatch.setattr(Blobs, "publish", publish_late)
    dedup(dataset, force=True)
    assert (dataset / "x/c/3/0/0").read_bytes() == b"newer"
    assert (dataset / "x/c/4/0/0").read_bytes() == b"newer"


@pytest.mark.parametrize("exchanges", [True, False])
def test_what_is_written_at_the_last_moment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    from lepton_jlab.data import renaming

    if not exchanges:
        monkeypatch.setattr(renaming, "exchange", lambda *_: False)
    file, new, newer = (tmp_path / name for name in ("file", "new", "newer"))
    file.write_text("old")
    inode = file.stat().st_ino
    new.write_text("old")
    newer.write_text("newer")
    newer.replace(file)
    renaming.put_in_place(new, file, inode)
    assert file.read_text() == "newer"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_blob_with_too_many_links_starts_again(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dedup(dataset, force=True)
    link = os.link

    def limited(source: Any, target: Any, **more: Any) -> None:
        if Path(source).stat().st_nlink >= 4:
            raise OSError(31, "Too many links", str(source))
        link(source, target, **more)

    monkeypatch.setattr(os, "link", limited)
    twins = [write(tmp_path / f"{name}.zarr") for name in "bcde"]
    for twin in twins:
        assert dedup(twin, force=True)["note"] == ""
    monkeypatch.undo()
    for folder in (dataset, *twins):
        assert np.array_equal(values(folder)["x"], IMAGES)
    assert collect(tmp_path)["files"] == 0


def test_hidden_files_and_half_written_ones_are_left_alone(dataset: Path) -> None:
    (dataset / "x" / "c" / "0" / "0" / "0.1f.partial").write_bytes(b"half")
    (dataset / ".note").write_text("mine")
    assert dedup(dataset, force=True)["files"] == 22
    assert (dataset / ".note").stat().st_nlink == 1


def test_a_chunk_that_is_a_symbolic_link_stays_one(dataset: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (dataset / "x/c/5/0/0").rename(elsewhere)
    (dataset / "x/c/5/0/0").symlink_to(elsewhere)
    dedup(dataset, force=True)
    assert (dataset / "x/c/5/0/0").is_symlink()
    assert elsewhere.stat().st_mode & 0o200
    assert np.array_equal(values(dataset)["x"], IMAGES)


def test_sizes_after_each_step(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    snapshot(dataset, "v2", private=False)
    found = sizes(dataset)
    one = sum(p.stat().st_size for p in dataset.rglob("*") if p.is_file())
    assert found["original_bytes"] == 3 * (IMAGES.nbytes + LABELS.nbytes)
    assert found["compressed_bytes"] == 3 * one
    assert one < found["deduplicated_bytes"] < 1.5 * one
    product = found["ratio_compression"] * found["ratio_dedup"]
    assert found["ratio"] == pytest.approx(product, rel=0.01)


def test_sizes_without_versions(dataset: Path) -> None:
    found = sizes(dataset)
    one = sum(p.stat().st_size for p in dataset.rglob("*") if p.is_file())
    assert (found["versions"], found["compressed_bytes"], found["tiers"]) == (0, one, {"warm": one})
    assert found["ratio_dedup"] == 1
    assert open_dataset(dataset).info()["storage"] == found


def test_a_version_is_weighed_once(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot(dataset, "v1", private=False)
    first, looked = sizes(dataset), []
    below = footprint.files_of
    monkeypatch.setattr(footprint, "files_of", lambda f: looked.append(f) or below(f))
    assert sizes(dataset) == first
    assert looked == [dataset]
    drop(dataset, "v1")
    snapshot(dataset, "v1", private=False)  # another of that name
    sizes(dataset)
    assert len(looked) == 3 + 1


def test_a_report_counts_what_is_shared_once(dataset: Path, tmp_path: Path) -> None:
    twin = write(tmp_path / "deep" / "b.zarr")
    other = write(tmp_path / "b.zarr")
    for one in (dataset, other):
        dedup(one, force=True)
    snapshot(dataset, "v1", private=False)
    (tmp_path / "c.zarr").mkdir()
    (tmp_path / "c.zarr" / "zarr.json").write_text("broken")
    found = report(tmp_path)
    rows = {row["name"]: row for row in found["datasets"]}
    assert set(rows) == {"a.zarr", "b.zarr", "c.zarr", "deep/b.zarr"}
    assert rows["c.zarr"]["error"]
    total = found["total"]
    assert (total["datasets"], total["versions"]) == (3, 1)
    chunks = sum(s.st_size for s in chunk_files(dataset).values())
    documents = [p for p in tmp_path.rglob("zarr.json") if p.parent.name != "c.zarr"]
    record = tmp_path / ".lepton/versions/a.zarr/v1/version.json"
    beside = sum(p.stat().st_size for p in [*documents, record])
    assert total["deduplicated_bytes"] == total["tiers"]["warm"] == 2 * chunks + beside
    assert total["original_bytes"] == 4 * (IMAGES.nbytes + LABELS.nbytes)
    assert rows["b.zarr"]["deduplicated_bytes"] == sizes(twin)["deduplicated_bytes"]


def test_the_store_is_not_taken_for_datasets(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    assert [row["name"] for row in find_datasets(dataset.parent)] == ["a.zarr"]


@pytest.mark.parametrize("where", ["https://host/a.zarr", "s3://bucket/a.zarr"])
def test_urls_are_refused(where: str) -> None:
    with pytest.raises(DataError, match="not a folder of this machine"):
        dedup(where, force=True)


def test_a_part_of_a_dataset_is_refused(dataset: Path) -> None:
    zarr.open_group(str(dataset)).create_group("test")
    with pytest.raises(DataError, match=r"is a part of .*a\.zarr"):
        dedup(dataset / "test", force=True)


def test_no_dataset_no_store(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        dedup(tmp_path / "none.zarr", force=True)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="not a Zarr dataset"):
        dedup(tmp_path / "folder", force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_versions_of_zarr_two_and_of_single_arrays(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "two.zarr"), zarr_format=2)
    array: Any = group.create_array("x", shape=(400, 8, 8), dtype="u1", chunks=(20, 8, 8))
    array[:] = IMAGES
    single: Any = zarr.create_array(
        str(tmp_path / "one.zarr"), shape=(400, 8, 8), dtype="u1", chunks=(20, 8, 8)
    )
    single[:] = IMAGES
    for name in ("two.zarr", "one.zarr"):
        path = snapshot(tmp_path / name, "v1", private=False)["path"]
        assert np.array_equal(np.asarray(open_dataset(path).arrays["x"]), IMAGES)


def test_one_pass_counts_what_is_new(dataset: Path) -> None:
    from lepton_jlab.data.storage.workspace import Workspace

    place = place_of(dataset)
    with Workspace(place.store) as work:
        keeping = Keeping(place, work, private=False)
        for key in chunk_files(dataset):
            keeping.keep(key)
    assert keeping.tally.files == keeping.tally.new_files == 22
    assert not work.folder.exists()
