"""COCO: one JSON document of images, categories and annotations, and the pictures beside it.

The form is that of https://cocodataset.org/#format-data, object detection; labels of whole images
are annotations without a box.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.data.label.formats.pictures import file_name, sample_of, write_pictures
from lepton_jlab.errors import DataError, UsageError

if TYPE_CHECKING:
    from lepton_jlab.data.label.formats import Given
    from lepton_jlab.data.label.labels import Labels, Policy


def write(labels: Labels, path: Path, policy: Policy) -> None:
    """Write ``NAME.json`` and the pictures into ``NAME/``."""
    from lepton_jlab.data.label.formats import opinions

    if labels.kind not in ("image", "boxes"):
        raise UsageError(f"COCO is for images; labels of {labels.kind} go into a .csv file.")
    given = list(opinions(labels, policy))
    sizes = write_pictures(labels.dataset, path.with_suffix(""), [one.sample for one in given])
    annotations: list[dict[str, Any]] = []
    for one in given:
        for name, box in one.labels:
            place = (
                {} if box is None else {"bbox": list(box), "area": box[2] * box[3], "iscrowd": 0}
            )
            kind = labels.classes.index(name)
            annotations.append(
                {"id": len(annotations), "image_id": one.sample, "category_id": kind, **place}
            )
    document = {
        "info": {"description": labels.dataset.name},
        "images": [
            {"id": sample, "file_name": f"{path.stem}/{file_name(sample)}", "width": w, "height": h}
            for sample, (w, h) in sizes.items()
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(labels.classes)],
        "annotations": annotations,
    }
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        new.write_text(json.dumps(document))
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read(labels: Labels, path: Path) -> Iterator[Given]:
    """Yield what is said of each image; its file name or its id is the number of the sample."""
    from lepton_jlab.data.label.formats import Given

    try:
        document = json.loads(path.read_text())
        names = {category["id"]: str(category["name"]) for category in document["categories"]}
        samples = {i["id"]: sample_of(i.get("file_name", ""), i["id"]) for i in document["images"]}
        found: dict[int, list[Any]] = {sample: [] for sample in samples.values()}
        for one in document["annotations"]:
            box = tuple(float(v) for v in one["bbox"]) if "bbox" in one else None
            found[samples[one["image_id"]]].append((names[one["category_id"]], box))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path.name} is no COCO document: {type(error).__name__} {error}"
        ) from error
    for sample, given in found.items():
        if given or labels.kind == "boxes":
            yield Given(sample, given)
