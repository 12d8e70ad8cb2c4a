"""Labels become the targets of a new dataset."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.attributes import entry
from lepton_jlab.data.deriving import derive
from lepton_jlab.data.label.formats import opinions
from lepton_jlab.data.label.labels import Labels, Policy
from lepton_jlab.data.label.showing import inputs
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.dataset import Dataset
    from lepton_jlab.data.parallel import Progress


def apply_labels(
    labels: Labels,
    dest: str | os.PathLike[str],
    policy: Policy = "majority",
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Write the samples on which annotators decide as a new dataset; the original stays.

    Its ``y`` has class numbers, int32 of shape ``(samples,)``. For boxes, ``boxes`` has x, y, width
    and height in pixels, float32 of shape ``(samples, most, 4)``, NaN where there are fewer; and
    ``y`` their classes, shape ``(samples, most)``, -1 there. ``sample`` says which of the original
    each is.

    Raises
    ------
    DataError
        If nothing is decided, or `dest` cannot be written.
    """
    given = list(opinions(labels, policy))
    if not given:
        raise DataError(
            f"{labels.path.name} decides on no sample yet, so there is nothing to write."
        )
    numbers = np.array([one.sample for one in given])
    if labels.kind == "boxes":
        added = _boxes([one.labels for one in given], labels.classes)
    else:
        classes = [labels.classes.index(one.labels[0][0]) for one in given]
        added = {"y": np.array(classes, np.int32)}
    roles = {"x": inputs(labels.dataset).name, "y": "y"}
    return derive(
        dest,
        {"": labels.dataset.select(numbers)},
        entry("label", policy=policy, annotators=labels.annotators, samples=len(given)),
        replaced={"": {**added, "sample": numbers}},
        schema={"classes": labels.classes, "roles": roles},
        force=force,
        progress=progress,
    )


def _boxes(given: list[list[tuple[str, Any]]], classes: list[str]) -> dict[str, NDArray[Any]]:
    most = max(1, *map(len, given))
    boxes = np.full((len(given), most, 4), np.nan, np.float32)
    kinds = np.full((len(given), most), -1, np.int32)
    for row, objects in enumerate(given):
        for place, (name, box) in enumerate(objects):
            boxes[row, place], kinds[row, place] = box, classes.index(name)
    return {"boxes": boxes, "y": kinds}
