"""A Zarr dataset, to be written again with other codecs or chunks; also by its URL."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.dataset import Dataset, open_dataset
from lepton_jlab.data.sources import ArrayForm, Loaded, PartForm, Samples, without_label
from lepton_jlab.data.store import is_url, is_zarr

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

    from lepton_jlab.data.column import Column

FORM = "Zarr datasets (a folder, .zip, or URL)"


def accepts(source: str) -> bool:
    """Whether `source` is a URL, a Zarr folder or a zip file."""
    path = Path(source).expanduser()
    zipped = path.suffix == ".zip" and path.is_file() and zipfile.is_zipfile(path)
    return is_url(source) or zipped or is_zarr(path)


def load(source: str, label: str | None) -> Loaded:
    """Open it; samples are read as they are written."""
    without_label(label, FORM)
    opened = open_dataset(source)
    found = dict(_datasets(opened, ""))
    parts = {
        part: {name: StoredSamples(column) for name, column in dataset.arrays.items()}
        for part, dataset in found.items()
    }
    forms = {part: form_of(dataset) for part, dataset in found.items()}
    return Loaded(parts, opened.path, opened.classes, forms=forms)


class StoredSamples:
    """A stored array that is read by slices of its first axis.

    Attributes
    ----------
    stored_together
        Samples in a stored chunk.
    """

    def __init__(self, column: Column) -> None:
        self._column = column
        self.stored_together = int(column.zarr.chunks[0]) or 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(samples, …)``."""
        return self._column.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The stored dtype."""
        return self._column.dtype

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        return self._column[rows]


def _datasets(dataset: Dataset, within: str) -> Iterator[tuple[str, Dataset]]:
    yield within, dataset
    for name in dataset.groups:
        yield from _datasets(dataset[name], f"{within}/{name}" if within else name)


def form_of(dataset: Dataset) -> PartForm:
    """Return what a dataset and its arrays say of themselves."""
    arrays = {name: column.zarr for name, column in dataset.arrays.items()}
    stored = dataset._stored
    others: dict[str, Samples] = {name: _other(name, stored[name]) for name in dataset.left_out}
    attributes = dataset.attrs if hasattr(dataset._node, "arrays") else {}  # else of the array
    if dataset.roles:
        attributes["lepton"] = {**dataset._schema, "roles": dict(dataset.roles)}
    return PartForm(
        attributes,
        {name: _array_form(array) for name, array in (arrays | stored).items()},
        others,
    )


def _other(name: str, array: zarr.Array[Any]) -> Samples:
    from lepton_jlab.data.column import Column

    if array.shape:
        return StoredSamples(Column(name, array, None))
    value: Samples = np.asarray(array[()], array.dtype)
    return value


def _array_form(array: zarr.Array[Any]) -> ArrayForm:
    from lepton_jlab.data.column import dimension_names

    names = dimension_names(array)
    attributes = dict(array.attrs.asdict())
    attributes.pop("_ARRAY_DIMENSIONS", None)  # how xarray names axes in Zarr v2
    return ArrayForm(names if any(names) else None, attributes, array.fill_value)
