"""Samples as picture files, whose names say their numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_jlab.data.label.showing import inputs
from lepton_jlab.data.preview import limits, png
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from lepton_jlab.data.dataset import Dataset


def file_name(sample: int) -> str:
    """Return the name of a sample's picture."""
    return f"{sample:06d}.png"


def sample_of(name: str, otherwise: int | None) -> int:
    """Return the number in a picture's name, or else `otherwise`.

    Raises
    ------
    DataError
        If there is neither.
    """
    digits = re.search(r"(\d+)\D*$", Path(name).stem)
    if digits is not None:
        return int(digits[1])
    if otherwise is None:
        raise DataError(f"The name {name!r} has no number, so its sample is not known.")
    return int(otherwise)


def write_pictures(
    dataset: Dataset, folder: Path, samples: Sequence[int]
) -> dict[int, tuple[int, int]]:
    """Write samples as PNG files; return width and height by sample, in pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    column = inputs(dataset)
    sizes = {}
    for sample in samples:
        value = column.read(sample, sample + 1)[0]
        height, width = value.shape[:2]
        (folder / file_name(sample)).write_bytes(
            png(value, *limits(value), longest=max(height, width))
        )
        sizes[sample] = (width, height)
    return sizes
