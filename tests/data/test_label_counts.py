"""How the labels of a dataset are distributed, as panels show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr

from lepton_jlab.data import open_dataset
from lepton_jlab.data.samples import label_counts


def counts_of(folder: Path, y: Any, classes: list[str] | None = None, most: int = 1000) -> Any:
    group = zarr.create_group(str(folder / "labelled.zarr"))
    x = np.zeros((len(y), 3), "f4")
    for name, values in (("x", x), ("y", np.asarray(y))):
        group.create_array(name, data=values)
    if classes:
        group.attrs["lepton"] = {"classes": classes}
    return label_counts(open_dataset(folder / "labelled.zarr"), most)


def test_classes_are_counted_by_name(tmp_path: Path) -> None:
    found = counts_of(tmp_path, [1, 0, 1, 1], ["cat", "dog"])
    assert found == {"names": ["cat", "dog"], "counts": [1, 3], "samples": 4, "of": 4}


def test_only_the_first_are_read_of_many(tmp_path: Path) -> None:
    found = counts_of(tmp_path, [0] * 6 + [1] * 4, most=5)
    assert found == {"names": ["0"], "counts": [5], "samples": 5, "of": 10}


def test_one_of_many_columns_is_a_class(tmp_path: Path) -> None:
    found = counts_of(tmp_path, np.eye(2)[[1, 1, 0]], ["cat", "dog"])
    assert (found["names"], found["counts"]) == (["cat", "dog"], [1, 2])


def test_numbers_to_predict_are_counted_by_stretches(tmp_path: Path) -> None:
    found = counts_of(tmp_path, np.append(np.linspace(0, 1, 101), np.nan).astype("f4"))
    assert len(found["names"]) == 20
    assert found["names"][0] == "0 to 0.05"
    assert (sum(found["counts"]), found["samples"], found["of"]) == (101, 101, 102)


def test_what_has_no_labels_has_no_counts(tmp_path: Path) -> None:
    assert counts_of(tmp_path, np.zeros((4, 5))) is None
    (tmp_path / "many").mkdir()
    assert counts_of(tmp_path / "many", np.arange(500)) is None
