"""A few samples of a dataset as plain values: small pictures, texts and labels, for panels."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lepton_jlab.data import preview

if TYPE_CHECKING:
    from lepton_jlab.data.column import Column
    from lepton_jlab.data.dataset import Dataset

Kind = Literal["image", "vector", "text", "table", "other"]

_LONGEST_TEXT = 400  # characters of a sample
MOST = 100  # samples at a time


def samples(dataset: Dataset, start: int = 0, count: int = 12) -> dict[str, Any]:
    """Return samples as a panel shows them; only their chunks are read.

    Parameters
    ----------
    dataset
        Which.
    start, count
        The first sample, and how many: 100 at most.

    Returns
    -------
    dict
        ``kind`` (``image``, ``vector``, ``text``, ``table`` or ``other``) and ``samples``: a dict
        each of ``index``, ``image`` (a ``data:`` URL or None), ``text`` and ``label`` (or None).
    """
    stop = min(len(dataset), start + min(count, MOST))
    start = min(start, stop)
    kind, column = _kind(dataset)
    if start == stop:
        return {"kind": kind, "samples": []}
    images: list[str | None] = [None] * (stop - start)
    if column is None:
        texts = _rows(dataset, start, stop)
    else:
        values = column.read(start, stop)
        if kind == "image":
            low, high = preview.limits(values)
            images = [_url(preview.png(value, low, high)) for value in values]
            texts = [""] * len(values)
        elif kind == "text":
            texts = [_text(value) for value in values]
        else:
            texts = [preview.values(value) for value in values]
    labels = _labels(dataset, start, stop)
    rows = zip(range(start, stop), images, texts, labels, strict=True)
    keys = ("index", "image", "text", "label")
    return {"kind": kind, "samples": [dict(zip(keys, row, strict=True)) for row in rows]}


def label_counts(dataset: Dataset, most: int = preview.LABELS) -> dict[str, Any] | None:
    """Count the samples of each label, or of each stretch of the numbers that are to be predicted.

    Parameters
    ----------
    dataset
        Which.
    most
        Labels that are read, from the first on.

    Returns
    -------
    dict or None
        ``names``, ``counts``, ``samples`` (how many were counted) and ``of`` (how many there are);
        None where no array is ``y``, or where its samples have many values or too many labels.
    """
    name = dataset.roles.get("y")
    if name is None or not len(dataset):
        return None
    column = dataset.arrays[name]
    one_hot = column.ndim == 2 and dataset.classes and column.shape[1] == len(dataset.classes)
    if not one_hot and column.shape[1:] not in ((), (1,)):
        return None
    found = column.read(0, min(most, len(column)))
    found = found.argmax(axis=1) if one_hot else found.reshape(-1)
    if found.dtype.kind == "f":
        found = found[np.isfinite(found)]
        counts, edges = np.histogram(found, bins=min(20, max(1, len(np.unique(found)))))
        names = [f"{a:.4g} to {b:.4g}" for a, b in pairwise(edges)]
    else:
        labels, counts = np.unique(found, return_counts=True)
        if len(labels) > preview.CLASSES:
            return None
        names = [preview.label(label, dataset.classes) for label in labels]
    shown = {"names": names, "counts": counts.tolist()}
    return {**shown, "samples": int(counts.sum()), "of": len(dataset)}


def _kind(dataset: Dataset) -> tuple[Kind, Column | None]:
    """Return how samples are shown, and the array that is; None where all arrays are."""
    first = dataset.roles.get("x")
    columns = [dataset.arrays[first]] if first else list(dataset.arrays.values())
    for column in columns:
        if preview.is_picture(column):
            return "image", column
    if len(columns) == 1 and columns[0].shape[1:] == () and columns[0].dtype.kind in "UTSO":
        return "text", columns[0]
    if first and len(columns[0].shape) == 2:
        return "vector", columns[0]
    return ("other", columns[0]) if first else ("table", None)


def _rows(dataset: Dataset, start: int, stop: int) -> list[str]:
    columns = {name: column.read(start, stop) for name, column in dataset.arrays.items()}
    return [
        ", ".join(f"{name}: {preview.values(values[i])}" for name, values in columns.items())
        for i in range(stop - start)
    ]


def _labels(dataset: Dataset, start: int, stop: int) -> list[str | None]:
    name = dataset.roles.get("y")
    if name is None or dataset.arrays[name].ndim > 2:
        return [None] * (stop - start)
    found = dataset.arrays[name].read(start, stop)
    return [preview.label(value, dataset.classes) for value in found]


def _text(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes | np.bytes_) else str(value)
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def _url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
