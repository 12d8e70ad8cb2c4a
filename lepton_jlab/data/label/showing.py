"""What a person is shown of a sample that is to be labelled."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.codecs import TEXT_KINDS
from lepton_jlab.data.preview import is_picture, is_series, limits, png
from lepton_jlab.errors import UsageError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.column import Column
    from lepton_jlab.data.dataset import Dataset
    from lepton_jlab.data.label.labels import Kind

LARGEST = 1024  # px, the longest side of a picture
POINTS = 600  # of a curve
VALUES = 64  # of a row
KINDS = ("image", "boxes", "text", "plot", "row")


def inputs(dataset: Dataset) -> Column:
    """Return the array that is looked at: x, or the first there is."""
    name = dataset.roles.get("x") or next(iter(dataset.arrays), None)
    if name is None:
        raise UsageError(f"{dataset.name} has no samples to label.")
    return dataset.arrays[name]


def fitting_kind(dataset: Dataset, wanted: str | None = None) -> Kind:
    """Return how samples are shown: as asked for, or as they look.

    Raises
    ------
    UsageError
        If they cannot be shown as asked.
    """
    column = inputs(dataset)
    fits: list[Kind] = ["row"]
    if is_series(column):
        fits.insert(0, "plot")
    if column.dtype.kind in TEXT_KINDS and column.ndim == 1:
        fits = ["text"]
    if is_picture(column):
        fits = ["image", "boxes"]
    if wanted is None:
        return fits[0]
    for kind in fits:
        if kind == wanted:
            return kind
    known = "" if wanted in KINDS else suggestion(wanted, KINDS)
    raise UsageError(
        f"{dataset.name} has samples of shape {column.shape[1:]} and type {column.dtype}, which "
        f"cannot be labelled as {wanted!r}.{known} They can as: {', '.join(fits)}."
    )


def shown(dataset: Dataset, kind: Kind, sample: int) -> dict[str, Any]:
    """Return a sample as JSON for a page.

    Returns
    -------
    dict
        ``sample`` (its number) and by `kind`: ``image`` (a data URL) with ``width`` and ``height``
        in pixels of the sample; ``text``; ``curves`` (lists of numbers, None where not finite) with
        ``length``; or ``values`` (lists of name and text).
    """
    document: dict[str, Any] = {"sample": sample}
    if kind == "row":
        pairs = (
            (name, _values(c.read(sample, sample + 1)[0])) for name, c in dataset.arrays.items()
        )
        return {**document, "values": [[name, text] for name, text in pairs]}
    value = inputs(dataset).read(sample, sample + 1)[0]
    if kind == "text":
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        return {**document, "text": text}
    if kind == "plot":
        curves = value.reshape(len(value), -1)
        step = -(-len(curves) // POINTS)
        thin = [[float(v) if np.isfinite(v) else None for v in curve[::step]] for curve in curves.T]
        return {**document, "curves": thin, "length": len(curves)}
    picture = png(value, *limits(value), longest=LARGEST)
    return {
        **document,
        "image": f"data:image/png;base64,{base64.b64encode(picture).decode()}",
        "height": int(value.shape[0]),
        "width": int(value.shape[1]),
    }


def _values(value: NDArray[Any]) -> str:
    flat = np.ravel(value)
    words = (f"{v:.5g}" if isinstance(v, np.floating) else str(v) for v in flat[:VALUES])
    return "  ".join(words) + (" …" if len(flat) > VALUES else "")
