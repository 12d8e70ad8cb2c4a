"""Labels go out as CSV, COCO and VOC, come back the same, and become a dataset."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from lepton_jlab.data import open_dataset
from lepton_jlab.data.label import Labels, open_labels
from lepton_jlab.data.label.applying import apply_labels
from lepton_jlab.data.label.formats import export_labels, import_labels
from lepton_jlab.errors import DataError, NotFoundError, UsageError

FOUND = {
    0: [("cat", (1.0, 2.0, 3.0, 4.0)), ("dog", (5.0, 6.0, 7.0, 8.5))],
    4: [],
    9: [("bird", (0.0, 0.0, 24.0, 16.0))],
}


@pytest.fixture
def boxed(boxes: Labels) -> Labels:
    for sample, given in FOUND.items():
        boxes.give_boxes(sample, given, "ann")
    return boxes


def said(labels: Labels) -> dict[int, list[tuple[str | None, object]]]:
    return {
        sample: [(labels.name_of(e.label), e.box) for e in labels.of(sample) if e.label >= 0]
        for sample in sorted(labels.done())
    }


@pytest.mark.parametrize("target", ["out.csv", "out.json", "out"])
def test_boxes_come_back_the_same(photos: Path, boxed: Labels, tmp_path: Path, target: str) -> None:
    path = export_labels(boxed, tmp_path / target)
    other = open_labels(photos, boxed.classes, "boxes", name="other")
    assert import_labels(other, path, "bob") == 3
    assert said(other) == FOUND
    assert other.annotators == (["ann"] if target == "out.csv" else ["bob"])


@pytest.mark.parametrize("target", ["out.csv", "out.json"])
def test_classes_come_back_the_same(
    photos: Path, labels: Labels, tmp_path: Path, target: str
) -> None:
    for sample, name in enumerate(["cat", "dog", "dog", "bird"]):
        labels.give(sample, name, "ann")
    other = open_labels(photos, labels.classes, name="other")
    assert import_labels(other, export_labels(labels, tmp_path / target), "bob") == 4
    assert other.consensus() == labels.consensus()


def test_other_tools_read_the_files(boxed: Labels, tmp_path: Path) -> None:
    document = json.loads(export_labels(boxed, tmp_path / "out.json").read_text())
    names = {category["id"]: category["name"] for category in document["categories"]}
    first = document["annotations"][0]
    assert (names[first["category_id"]], first["bbox"], first["area"]) == ("cat", [1, 2, 3, 4], 12)
    image = document["images"][0]
    picture = np.asarray(Image.open(tmp_path / image["file_name"]))
    assert np.array_equal(picture, boxed.dataset.x[0])
    assert (image["width"], image["height"]) == (24, 16)

    voc = export_labels(boxed, tmp_path / "voc")
    root = ElementTree.parse(voc / "Annotations/000000.xml").getroot()
    corners = [root.findtext(f"object/bndbox/{tag}") for tag in ("xmin", "ymin", "xmax", "ymax")]
    assert corners == ["2", "3", "4", "6"]  # the first pixel is 1
    assert (voc / "JPEGImages" / str(root.findtext("filename"))).is_file()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "sample,label\n0,cow\n", "has the class 'cow', which is none of cat, dog, bird"),
        ("a.csv", "sample,label\n99,cat\n", r"names sample 99; photos.zarr has 50"),
        ("a.csv", "number,label\n0,cat\n", "has no column 'sample'"),
        ("a.csv", "sample,label\none,cat\n", "line 2: 'one' is no number of a sample"),
        ("a.csv", "", "is no table of labels"),
        ("a.json", "{}", "is no COCO document"),
        ("a.json", "[1]", "is no COCO document"),
    ],
)
def test_a_file_that_does_not_fit_is_named_and_nothing_is_added(
    labels: Labels, tmp_path: Path, name: str, content: str, told: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=told):
        import_labels(labels, tmp_path / name, "bob")
    assert labels.done() == set()


def test_what_cannot_be_written_or_read(labels: Labels, tmp_path: Path) -> None:
    labels.give(0, "cat", "ann")
    with pytest.raises(UsageError, match=r"labels are in NAME\.csv, NAME\.json"):
        export_labels(labels, tmp_path / "out.xlsx")
    with pytest.raises(UsageError, match="Pascal VOC is for boxes"):
        export_labels(labels, tmp_path / "out")
    with pytest.raises(NotFoundError, match=r"There is no .*none\.csv"):
        import_labels(labels, tmp_path / "none.csv", "ann")
    export_labels(labels, tmp_path / "out.csv")
    with pytest.raises(DataError, match=r"is there already\. Add --force"):
        export_labels(labels, tmp_path / "out.csv")
    export_labels(labels, tmp_path / "out.csv", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.csv",
        "photos.labels.zarr",
        "photos.zarr",
    ]


def test_labels_become_a_dataset(labels: Labels, tmp_path: Path) -> None:
    for sample, name in ((7, "dog"), (3, "cat"), (40, "bird")):
        labels.give(sample, name, "ann")
    labels.give(3, "dog", "bob")
    made = apply_labels(labels, tmp_path / "out.zarr")
    assert made.y[:].tolist() == [1, 2]
    assert made.arrays["sample"][:].tolist() == [7, 40]
    assert np.array_equal(made.x[:], labels.dataset.x[[7, 40]])
    assert made.classes == ["cat", "dog", "bird"]
    history = made.info()["history"][-1]
    assert (history["action"], history["annotators"]) == ("label", ["ann", "bob"])
    assert "y" not in open_dataset(tmp_path / "photos.zarr").arrays


def test_boxes_become_a_dataset(boxed: Labels, tmp_path: Path) -> None:
    made = apply_labels(boxed, tmp_path / "out.zarr")
    assert made.y[:].tolist() == [[0, 1], [-1, -1], [2, -1]]
    assert made.arrays["boxes"][2, 0].tolist() == [0, 0, 24, 16]
    assert np.isnan(made.arrays["boxes"][1]).all()


def test_nothing_decided_is_nothing_written(labels: Labels, tmp_path: Path) -> None:
    labels.skip(0, "ann")
    with pytest.raises(DataError, match="decides on no sample yet"):
        apply_labels(labels, tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()
