"""Brings datasets into one form: which array goes with which, dtype, size, unit, class names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.prepare.recipe import Cast, Channels, Lookup, Normalize, Resize
from lepton_jlab.data.preview import is_picture
from lepton_jlab.errors import DataError, UsageError, suggestion

if TYPE_CHECKING:
    from lepton_jlab.data.column import Column
    from lepton_jlab.data.dataset import Dataset

PROVENANCE = ("source", "source_index")
UNITS = ("units", "unit")  # attributes of an array
# Factor and offset to the first of each kind of quantity.
QUANTITIES = (
    {"m": (1, 0), "mm": (1e-3, 0), "cm": (1e-2, 0), "km": (1e3, 0), "in": (0.0254, 0)},
    {"s": (1, 0), "ms": (1e-3, 0), "us": (1e-6, 0), "min": (60, 0), "h": (3600, 0)},
    {"kg": (1, 0), "g": (1e-3, 0), "mg": (1e-6, 0), "lb": (0.45359237, 0)},
    {"K": (1, 0), "degC": (1, 273.15), "°C": (1, 273.15), "celsius": (1, 273.15)},
    {"Pa": (1, 0), "hPa": (100, 0), "kPa": (1e3, 0), "bar": (1e5, 0)},
    {"rad": (1, 0), "deg": (np.pi / 180, 0)},
    {"1": (1, 0), "%": (0.01, 0)},
)


@dataclass(frozen=True)
class Aligned:
    """One array of the result.

    Attributes
    ----------
    name, role
        What it is called, and its role or ``""``.
    columns
        The array of each source.
    steps
        What is done to each, so that they fit.
    shape, dtype
        Of a sample; ``"string"`` for texts.
    attributes
        Such as the unit.
    """

    name: str
    role: str
    columns: tuple[Column, ...]
    steps: tuple[tuple[Any, ...], ...]
    shape: tuple[int, ...]
    dtype: str
    attributes: dict[str, Any]

    def documents(self, source: int) -> list[dict[str, Any]]:
        """Return the steps for a source as JSON has them."""
        return [{"step": one.name, **asdict(one)} for one in self.steps[source]]


def align(
    datasets: Sequence[Dataset], names: Sequence[str], tables: Sequence[Lookup | None]
) -> tuple[list[Aligned], list[str]]:
    """Return the arrays that all datasets have, in one form, and which are left out.

    Parameters
    ----------
    names
        Of the datasets, for messages.
    tables
        Of class numbers, for each; None where labels stay as they are.

    Raises
    ------
    DataError
        If arrays with the same role cannot be brought together, or there is nothing in common.
    """
    aligned, used = [], [set[str]() for _ in datasets]
    for role in ("x", "y", "sample_weight"):
        own = [ds.roles.get(role) for ds in datasets]
        if all(own):
            columns = tuple(ds.arrays[str(n)] for ds, n in zip(datasets, own, strict=True))
            aligned.append(_align(role, role, columns, names, tables if role == "y" else None))
            for known, name in zip(used, own, strict=True):
                known.add(str(name))
        elif any(own) and role != "sample_weight":
            lacking = names[own.index(None)]
            raise DataError(f"{lacking} has no array with the role {role!r}, and others have.")
    common = [n for n in datasets[0].arrays if all(n in ds.arrays for ds in datasets)]
    for name in common:
        if not any(name in known for known in used) and name not in PROVENANCE:
            columns = tuple(ds.arrays[name] for ds in datasets)
            aligned.append(_align(name, "", columns, names, None))
            for known in used:
                known.add(name)
    if not aligned:
        raise DataError(f"{' and '.join(names)} have no arrays in common.")
    left = [
        f"{name}: {array} is left out, as not all have it"
        for name, ds, known in zip(names, datasets, used, strict=True)
        for array in ds.arrays
        if array not in known and array not in PROVENANCE
    ]
    return aligned, left


def _align(
    name: str,
    role: str,
    columns: tuple[Column, ...],
    names: Sequence[str],
    tables: Sequence[Lookup | None] | None,
) -> Aligned:
    kinds = {column.dtype.kind in "TUSO" for column in columns}
    if len(kinds) > 1:
        listed = ", ".join(f"{n} {c.dtype}" for n, c in zip(names, columns, strict=True))
        raise DataError(f"{name!r} holds texts in some and numbers in others: {listed}.")
    shape = columns[0].shape[1:]
    attributes = dict(columns[0].zarr.attrs.asdict())
    if kinds == {True}:
        if any(column.shape[1:] != shape for column in columns):
            raise _shapes(name, columns, names)
        return Aligned(name, role, columns, ((),) * len(columns), shape, "string", attributes)
    steps: list[list[Any]] = [[] for _ in columns]
    for number, (own, column) in enumerate(zip(steps, columns, strict=True)):
        if column.shape[1:] != shape:
            if not (is_picture(column) and is_picture(columns[0])):
                raise _shapes(name, columns, names)
            if len(shape) == 3 and (*column.shape[3:], 1)[0] != shape[2]:
                own.append(Channels(shape[2]))
            if column.shape[1:3] != shape[:2]:
                own.append(Resize(shape[0], shape[1]))
            if len(shape) == 2 and len(column.shape) == 4:
                raise _shapes(name, columns, names)
        factor, offset = _conversion(columns[0], column, name, names[number])
        if (factor, offset) != (1.0, 0.0):
            own.append(Normalize((-offset / factor,), (1 / factor,)))
        if tables is not None and tables[number] is not None:
            if column.dtype.kind not in "iu" or shape not in ((), (1,)):
                raise DataError(
                    f"The labels of {names[number]} are {column.dtype} {column.shape[1:]}; class "
                    "names can be mapped where they are one number a sample."
                )
            own.append(tables[number])
    if _shares_of_255(columns):
        for own, column in zip(steps, columns, strict=True):
            if column.dtype == np.uint8:
                own.append(Normalize((0.0,), (255.0,)))
    kinds_made = [_probe(column, own) for column, own in zip(columns, steps, strict=True)]
    dtype = np.result_type(*kinds_made)
    for own, made in zip(steps, kinds_made, strict=True):
        if made != dtype:
            own.append(Cast(dtype.name))
    return Aligned(
        name, role, columns, tuple(map(tuple, steps)), tuple(shape), dtype.name, attributes
    )


def _probe(column: Column, steps: Sequence[Any]) -> np.dtype[Any]:
    values = np.zeros((1, *column.shape[1:]), column.dtype.newbyteorder("="))
    for one in steps:
        values = one(values)
    dtype: np.dtype[Any] = values.dtype
    return dtype


def _shares_of_255(columns: Sequence[Column]) -> bool:
    """Whether some images hold bytes and others the same between 0 and 1."""
    if not all(map(is_picture, columns)) or len({c.dtype.kind for c in columns}) < 2:
        return False
    floats = [c[: min(64, len(c))] for c in columns if c.dtype.kind == "f"]
    return all(len(v) and np.nanmin(v) >= 0 and np.nanmax(v) <= 1 for v in floats)


def _conversion(first: Column, column: Column, name: str, source: str) -> tuple[float, float]:
    """Return factor and offset from the unit of `column` to that of `first`."""
    wanted, own = _unit(first), _unit(column)
    if not wanted or not own or wanted == own:
        return 1.0, 0.0
    for known in QUANTITIES:
        if wanted in known and own in known:
            (a, b), (c, d) = known[own], known[wanted]
            return a / c, (b - d) / c
    raise DataError(
        f"{name!r} is in {own} in {source} and in {wanted} in others, and Lepton does not know how "
        "one becomes the other. Convert it first: ds.map(…).save(…)."
    )


def _unit(column: Column) -> str:
    return next((str(column.zarr.attrs[k]) for k in UNITS if k in column.zarr.attrs), "")


def _shapes(name: str, columns: Sequence[Column], names: Sequence[str]) -> DataError:
    listed = ", ".join(f"{n} {c.shape[1:]}" for n, c in zip(names, columns, strict=True))
    return DataError(f"The samples of {name!r} differ in shape: {listed}. Bring them to one first.")


def map_classes(
    datasets: Sequence[Dataset], names: Sequence[str], mapping: Mapping[str, Any] | None
) -> tuple[list[str] | None, list[dict[str, str | None]], list[Lookup | None]]:
    """Return the class names of the result, and for each dataset old to new names and numbers.

    Names that differ only in case, blanks and hyphens are the same.

    Parameters
    ----------
    mapping
        Old to new names, for all datasets or by the name of a dataset; None leaves a class out.

    Raises
    ------
    UsageError
        If the mapping has a name that is no class.
    DataError
        If some datasets have names and others only numbers.
    """
    mapping = dict(mapping or {})
    if not any(ds.classes for ds in datasets):
        if mapping:
            raise UsageError("There are no class names to be mapped: no dataset has any.")
        return None, [{} for _ in datasets], [None for _ in datasets]
    lacking = [n for n, ds in zip(names, datasets, strict=True) if ds.classes is None]
    if lacking:
        raise DataError(f"{', '.join(lacking)} has class numbers without names, and others have.")
    for_all = {k: v for k, v in mapping.items() if not isinstance(v, Mapping)}
    by_name = {k: v for k, v in mapping.items() if isinstance(v, Mapping)}
    for name in by_name:
        if name not in names:
            near = suggestion(name, names) or f" There are: {', '.join(names)}."
            raise UsageError(f"The table of classes has a dataset {name!r}.{near}")
    known: dict[str, str] = {}  # plain form to the spelling that came first
    tables: list[dict[str, str | None]] = []
    used: set[str] = set()
    for name, ds in zip(names, datasets, strict=True):
        own = {**for_all, **by_name.get(name, {})}
        if unknown := set(by_name.get(name, {})) - set(ds.classes or ()):
            raise UsageError(f"{name} has no class {', '.join(sorted(unknown))!r}.")
        table: dict[str, str | None] = {}
        for old in ds.classes or ():
            new = own.get(old, old)
            used.add(old)
            table[old] = None if new is None else known.setdefault(_plain(str(new)), str(new))
        tables.append(table)
    if unknown := set(for_all) - used:
        raise UsageError(f"The table of classes has {', '.join(sorted(unknown))}: no such class.")
    classes = list(known.values())
    dtype = np.min_scalar_type(max(0, len(classes) - 1)).name
    lookups: list[Lookup | None] = [
        Lookup(tuple(-1 if n is None else classes.index(n) for n in table.values()), dtype)
        for table in tables
    ]
    return classes, tables, lookups


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).casefold()
