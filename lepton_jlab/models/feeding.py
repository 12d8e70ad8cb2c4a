"""Finds in a dataset what a model takes, and brings it into the model's shapes and dtypes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.errors import DataError, UsageError
from lepton_jlab.models.recipes import through
from lepton_jlab.models.version import Tensor, tensor_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data import Dataset
    from lepton_jlab.data.column import Column
    from lepton_jlab.models.recipes import Recipe

    Columns = Mapping[str, Column | NDArray[Any]]
    Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a model.

    Attributes
    ----------
    columns
        Arrays by input name, each of shape ``(samples, …)``.
    labels
        The true labels, or None.
    classes, path, recipe
        Of the dataset, if it is one and has them.
    """

    columns: Columns
    labels: Any = None
    classes: list[str] | None = None
    path: str | None = None
    recipe: Any = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def rows(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return those samples, by input name."""
        return {name: np.asarray(values[rows]) for name, values in self.columns.items()}

    def labels_of(self, rows: NDArray[np.int64]) -> NDArray[Any] | None:
        """Return the labels of those samples."""
        return None if self.labels is None else np.asarray(self.labels[rows])


def dataset_of(source: Any) -> Dataset:
    """Return `source` if it is a dataset, else the dataset of that path."""
    from lepton_jlab.data import Dataset, open_dataset

    if isinstance(source, Dataset):
        return source
    if not isinstance(source, str | os.PathLike):
        raise UsageError(f"A {type(source).__name__} is no dataset; give a Dataset or its path.")
    return open_dataset(source)


def columns_of(source: Any, inputs: Sequence[Tensor] = ()) -> Found:
    """Find the arrays for the inputs, and what else is known of the samples.

    Parameters
    ----------
    source
        A dataset or its path; an array, a pair ``(x, y)``, or a dict of arrays by input name.
    inputs
        What the model takes; without them all arrays that are not labels or weights are found.

    Raises
    ------
    DataError
        If an input has no array.
    """
    labels = None
    if isinstance(source, tuple) and len(source) == 2:
        source, labels = source
    if isinstance(source, Mapping):
        given = {str(name): np.asarray(values) for name, values in source.items()}
        return Found(_by_name(given, inputs, "the samples"), labels)
    if hasattr(source, "__array__") and not isinstance(source, str | os.PathLike):
        name = inputs[0]["name"] if inputs else "x"
        return Found(_by_name({name: np.asarray(source)}, inputs, "the samples"), labels)
    dataset = dataset_of(source)
    roles = dataset.roles
    labels = dataset.arrays[roles["y"]] if "y" in roles else None
    # What is `x` comes first: it is what a model with one input takes.
    ordered = sorted(dataset.arrays, key=lambda name: name != roles.get("x"))
    others = {roles.get("y"), roles.get("sample_weight")}
    columns = {name: dataset.arrays[name] for name in ordered if name not in others}
    chosen = _by_name(columns, inputs, dataset.path)
    return Found(chosen, labels, dataset.classes, dataset.path, getattr(dataset, "recipe", None))


def _by_name(columns: Columns, inputs: Sequence[Tensor], where: str) -> Columns:
    if not inputs:
        return columns
    if len(inputs) == 1 and columns:
        name = inputs[0]["name"]
        return {name: columns.get(name, next(iter(columns.values())))}
    missing = [tensor for tensor in inputs if tensor["name"] not in columns]
    if missing:
        raise DataError(
            f"{where} has no array {missing[0]['name']!r}, which the model takes as "
            f"{tensor_text(missing[0])}. Its arrays: {', '.join(columns) or 'none'}."
        )
    return {tensor["name"]: columns[tensor["name"]] for tensor in inputs}


def check_columns(columns: Columns, inputs: Sequence[Tensor], where: str) -> None:
    """Refuse arrays that cannot become the inputs, before anything is computed.

    Raises
    ------
    DataError
        Which array, what it is and what the model takes.
    """
    for tensor in inputs:
        column = columns[tensor["name"]]
        fits = _reshaped(tuple(column.shape[1:]), tensor["shape"][1:]) is not None
        if not (fits and castable(np.dtype(column.dtype), tensor["dtype"])):
            raise DataError(_misfit(where, column, tensor))


def ready(
    arrays: Arrays, inputs: Sequence[Tensor], recipe: Recipe | None, where: str
) -> dict[str, NDArray[Any]]:
    """Return a batch as the model takes it: through the recipe, in its shapes and dtypes.

    Raises
    ------
    DataError
        If it cannot be.
    """
    made = through(recipe, arrays)
    return {t["name"]: _formed(np.asarray(made[t["name"]]), t, where) for t in inputs}


def _formed(values: NDArray[Any], tensor: Tensor, where: str) -> NDArray[Any]:
    shape = _reshaped(tuple(values.shape[1:]), tensor["shape"][1:])
    if shape is None or not castable(values.dtype, tensor["dtype"]):
        raise DataError(_misfit(where, values, tensor))
    values = values.reshape((len(values), *shape))
    if tensor["dtype"] == "string":
        return values.astype(object)
    return values.astype(tensor["dtype"], copy=False)


def _misfit(where: str, values: Any, tensor: Tensor) -> str:
    shape = ", ".join(map(str, ("*", *values.shape[1:])))
    return (
        f"{where}: ({shape}) {values.dtype} is there for {tensor['name']!r}; the model takes "
        f"{tensor_text(tensor)}."
    )


def castable(dtype: np.dtype[Any], wanted: str) -> bool:
    """Whether values can be given to an input of dtype `wanted` without losing their meaning."""
    if wanted == "string":
        return dtype.kind in "OTUS"
    if wanted == "bool":
        return dtype.kind == "b"
    if wanted.startswith(("float", "bfloat")):
        return dtype.kind in "fiub" or dtype.name == "bfloat16"
    if wanted.startswith("complex"):
        return dtype.kind in "cfiu"
    return dtype.kind in "iub"


def _reshaped(shape: tuple[int, ...], wanted: Sequence[int | None]) -> tuple[int, ...] | None:
    """Return `shape` as the model takes it: an axis of length 1 at the end comes or goes."""
    for candidate in (shape, (*shape, 1), shape[:-1] if shape[-1:] == (1,) else shape):
        if len(candidate) == len(wanted) and all(
            free is None or free == size for size, free in zip(candidate, wanted, strict=True)
        ):
            return candidate
    return None
