"""CSV: one row a label, of every annotator."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from lepton_jlab.data.label.formats import Box, Given
    from lepton_jlab.data.label.labels import Labels

_BOX = ["x", "y", "width", "height"]


def write(labels: Labels, path: Path, _policy: str) -> None:
    """Write ``sample,label,annotator,time`` and, for boxes, ``x,y,width,height``."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        labels.table().to_csv(new, index=False)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read(_labels: Labels, path: Path) -> Iterator[Given]:
    """Yield what each row, or the rows of a sample and annotator, say."""
    import pandas as pd

    from lepton_jlab.data.label.formats import Given

    try:
        table = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is no table of labels: {error}") from error
    missing = {"sample", "label"} - set(table.columns)
    if missing:
        raise DataError(
            f"{path.name} has no column {sorted(missing)[0]!r}; labels have sample, label and, if "
            "known, annotator, x, y, width, height."
        )
    given: dict[tuple[int, str | None], list[tuple[str, Box | None]]] = {}
    boxed = set(_BOX) <= set(table.columns)
    for row, values in enumerate(table.to_dict("records"), 2):
        sample, annotator = values["sample"], values.get("annotator")
        if not isinstance(sample, int):
            raise DataError(f"{path.name}, line {row}: {sample!r} is no number of a sample.")
        who = annotator if isinstance(annotator, str) else None
        found = given.setdefault((sample, who), [])
        if isinstance(values["label"], float) and math.isnan(values["label"]):
            continue  # no object
        box = [float(values[key]) for key in _BOX] if boxed else [math.nan]
        whole = any(map(math.isnan, box))
        found.append((str(values["label"]), None if whole else (box[0], box[1], box[2], box[3])))
    for (sample, who), found in given.items():
        if found or boxed:
            yield Given(sample, found, who)
