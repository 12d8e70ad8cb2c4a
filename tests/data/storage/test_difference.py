"""What has changed between two versions: arrays, samples, attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.storage.conftest import IMAGES, LABELS, write

from lepton_jlab.data.column import Column
from lepton_jlab.data.storage import diff, snapshot
from lepton_jlab.errors import DataError, NotFoundError


def opened(folder: Path) -> Any:
    return zarr.open_group(str(folder), mode="r+")


def rows(found: dict[str, Any]) -> dict[str, Any]:
    return {row["array"]: row for row in found["arrays"]}


def test_nothing_has_changed(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    found = diff(dataset, "v1")
    assert found == {"old": "v1", "new": None, "same": True, "arrays": [], "attributes": []}


def test_changed_samples_are_counted_and_named(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    x, y = opened(dataset)["x"], opened(dataset)["y"]
    x[17, 3, 3] += 1
    x[399] = IMAGES[0]
    y[200:] = 9 - LABELS[200:]
    snapshot(dataset, "v2", private=False)
    found = rows(diff(dataset, "v1", "v2"))
    assert found["x"]["samples_changed"] == 2
    assert found["x"]["first"] == [17, 399]
    assert found["x"]["files"] == 2
    assert found["y"]["samples_changed"] == 200
    assert found["y"]["first"] == list(range(200, 210))
    assert rows(diff(dataset, "v2", "v1"))["x"]["samples_changed"] == 2


def test_only_chunks_that_differ_are_decoded(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot(dataset, "v1", private=False)
    opened(dataset)["x"][17] = 0
    read, reads = Column.read, []

    def noted(self: Column, start: int, stop: int) -> Any:
        reads.append((self.name, start, stop))
        return read(self, start, stop)

    monkeypatch.setattr(Column, "read", noted)
    diff(dataset, "v1")
    assert reads == [("x", 0, 20), ("x", 0, 20)]


def test_appended_and_removed_samples(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    x = opened(dataset)["x"]
    x.resize((450, 8, 8))
    x[400:] = 1
    row = rows(diff(dataset, "v1"))["x"]
    assert (row["samples_changed"], row["samples_added"], row["samples_removed"]) == (0, 50, 0)
    assert (row["old_shape"], row["new_shape"]) == ([400, 8, 8], [450, 8, 8])
    snapshot(dataset, "v2", private=False)
    back = rows(diff(dataset, "v2", "v1"))["x"]
    assert (back["samples_changed"], back["samples_added"], back["samples_removed"]) == (0, 0, 50)


def test_arrays_that_come_and_go(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    group = opened(dataset)
    group.create_array("more", shape=(30,), dtype="u1")[:] = 1
    del group["y"]
    found = rows(diff(dataset, "v1"))
    assert (found["more"]["change"], found["more"]["samples_added"]) == ("added", 30)
    assert (found["y"]["change"], found["y"]["samples_removed"]) == ("removed", 400)


def test_the_same_values_in_other_files(dataset: Path, tmp_path: Path) -> None:
    snapshot(dataset, "v1", private=False)
    group = opened(dataset)
    del group["x"]
    group.create_array("x", data=IMAGES, chunks=(50, 8, 8))
    row = rows(diff(dataset, "v1"))["x"]
    assert (row["change"], row["samples_changed"]) == ("stored", 0)
    assert row["files"] > 0


def test_another_shape_of_a_sample_changes_all(dataset: Path) -> None:
    snapshot(dataset, "v1", private=False)
    group = opened(dataset)
    del group["x"]
    group.create_array("x", data=IMAGES.reshape(400, 64))
    assert rows(diff(dataset, "v1"))["x"]["samples_changed"] == 400


def test_attributes_and_nothing_else(dataset: Path) -> None:
    group = opened(dataset)
    group.attrs.update({"a": 1, "b": 2})
    snapshot(dataset, "v1", private=False)
    group.attrs.put({"b": 3, "c": 4})
    opened(dataset)["y"].attrs["unit"] = "class"
    found = diff(dataset, "v1")
    assert found["arrays"] == []
    assert found["same"] is False
    assert found["attributes"] == [
        {"path": "", "added": ["c"], "removed": ["a"], "changed": ["b"]},
        {"path": "y", "added": ["unit"], "removed": [], "changed": []},
    ]


def test_a_nan_is_like_itself(tmp_path: Path) -> None:
    x = np.full((400, 2), np.nan, "f4")
    folder = write(tmp_path / "a.zarr", x)
    snapshot(folder, "v1", private=False)
    opened(folder)["x"][3, 0] = 1
    assert rows(diff(folder, "v1"))["x"]["first"] == [3]


def test_strings_and_single_values(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    names = np.array(["ä", "b", "c"], np.dtypes.StringDType())
    group.create_array("name", shape=(3,), dtype="str", chunks=(2,))[:] = names
    group.create_array("scale", shape=(), dtype="f8")[()] = 0.5
    snapshot(tmp_path / "a.zarr", "v1", private=False)
    group["name"][2] = "d"
    group["scale"][()] = 0.25
    found = rows(diff(tmp_path / "a.zarr", "v1"))
    assert found["name"]["first"] == [2]
    assert found["scale"]["samples_changed"] == 1


def test_shards_are_compared_by_their_samples(tmp_path: Path) -> None:
    folder = write(tmp_path / "a.zarr", shards=(100, 8, 8))
    snapshot(folder, "v1", private=False)
    opened(folder)["x"][123] = 0
    row = rows(diff(folder, "v1"))["x"]
    assert (row["first"], row["files"]) == ([123], 1)


def test_what_is_not_there_or_cannot_be_read(dataset: Path) -> None:
    with pytest.raises(NotFoundError):
        diff(dataset, "v1")
    snapshot(dataset, "v1", private=False)
    opened(dataset)["x"][17] = 0
    (dataset / "x/c/0/0/0").write_bytes(b"damaged")
    with pytest.raises(DataError, match="Samples 0 to 20 of 'x'"):
        diff(dataset, "v1")
