"""Rules that samples have to keep: declared, or inferred from most of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.errors import UsageError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.dataset import Dataset

RULES = ("min", "max", "values", "unique", "dtype", "shape")
WIDE = 50.0  # interquartile ranges beyond the quartiles, which no distribution of data has
EMPTY = 0.5  # share of a column that is not finite, from which on it is the column's fault
KEYS = ("id", "ids", "key", "uuid", "guid")  # arrays of these names have each value once


@dataclass(frozen=True)
class Rules:
    """What values may be, by array.

    Attributes
    ----------
    limits
        Lowest and highest value, one each or one for each place of the last axis.
    allowed
        All the values that there may be.
    unique
        Arrays in which no value comes twice.
    columns
        Where of a table most values are missing.
    declared
        Arrays whose limits were given, not inferred.
    """

    limits: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    allowed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    unique: tuple[str, ...] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()

    def empty(self, name: str) -> NDArray[np.bool_] | None:
        """Return which places of the last axis have no values in most samples."""
        found: NDArray[np.bool_] | None = self.columns.get(name)
        return found

    def broken(self, name: str, values: NDArray[Any]) -> dict[int, str]:
        """Return reasons by place of the samples that break a rule."""
        reasons: dict[int, str] = {}
        flat = values.reshape(len(values), -1)
        if name in self.allowed:
            wrong = ~np.isin(
                flat.astype(object) if flat.dtype.kind == "T" else flat,
                np.array(self.allowed[name], object if flat.dtype.kind == "T" else None),
            )
            for place, column in zip(*np.nonzero(wrong), strict=True):
                listed = ", ".join(map(str, self.allowed[name][:8]))
                more = " …" if len(self.allowed[name]) > 8 else ""
                reasons[int(place)] = f"{name} is {flat[place, column]}, not one of {listed}{more}"
        if name in self.limits:
            low, high = self.limits[name]
            with np.errstate(invalid="ignore"):
                wrong = ((flat < low) | (flat > high)) & np.isfinite(flat)
            told = "may be" if name in self.declared else "usually is"
            for place, column in zip(*np.nonzero(wrong), strict=True):
                at = f"[{column}]" if flat.shape[1] > 1 else ""
                bounds = [np.broadcast_to(b, flat.shape[1])[column] for b in (low, high)]
                reasons.setdefault(
                    int(place),
                    f"{name}{at} is {flat[place, column]:g}; it {told} between "
                    f"{bounds[0]:g} and {bounds[1]:g}",
                )
        return reasons


def rules_of(
    dataset: Dataset, sample: Mapping[str, NDArray[Any]], schema: Mapping[str, Any] | None
) -> tuple[Rules, list[tuple[str, str]]]:
    """Return the rules, and what is wrong with whole arrays, as (array, reason).

    Parameters
    ----------
    sample
        Values of some samples, by array: what is not declared is inferred from them.
    schema
        By array a mapping of ``min``, ``max``, ``values``, ``unique``, ``dtype`` or ``shape``.

    Raises
    ------
    UsageError
        If the schema names an array or a rule that there is not.
    """
    given = _read(dataset, schema or {})
    limits: dict[str, tuple[Any, Any]] = {}
    columns: dict[str, Any] = {}
    whole: list[tuple[str, str]] = []
    allowed = {name: tuple(rule["values"]) for name, rule in given.items() if "values" in rule}
    for name, values in sample.items():
        rule, column = given.get(name, {}), dataset.arrays[name]
        for what, found in (("dtype", str(column.dtype)), ("shape", list(column.shape[1:]))):
            if what in rule and rule[what] != found:
                whole.append((name, f"{name} has the {what} {found}, not {rule[what]}"))
        if values.dtype.kind not in "biuf":
            continue
        flat = values.reshape(len(values), -1)
        if values.dtype.kind == "f" and values.ndim <= 2:
            missing = (~np.isfinite(flat)).mean(axis=0)
            columns[name] = missing > EMPTY
            where = np.flatnonzero(columns[name])
            for place in where[:20]:
                at = f"{name}[{place}]" if flat.shape[1] > 1 else name
                whole.append((name, f"{at} is not finite in {missing[place]:.0%} of the samples"))
        if {"min", "max"} & set(rule):
            limits[name] = rule.get("min", -np.inf), rule.get("max", np.inf)
        elif values.ndim <= 2 and values.dtype.kind in "iuf" and name not in allowed:
            inferred = _usual(flat)
            if inferred is not None:
                limits[name] = inferred
    labels = dataset.roles.get("y")
    if labels and labels not in allowed and dataset.arrays[labels].dtype.kind in "iu":
        known = dataset.classes
        one_hot = dataset.arrays[labels].shape[1:] not in ((), (1,))
        top = len(known) - 1 if known and not one_hot else np.inf
        limits.setdefault(labels, (0, top))
        limits[labels] = (0, top) if labels not in given else limits[labels]
    unique = [name for name, rule in given.items() if rule.get("unique")]
    unique += [
        name
        for name, column in dataset.arrays.items()
        if name.lower() in KEYS and column.ndim == 1 and "unique" not in given.get(name, {})
    ]
    declared = frozenset(name for name, rule in given.items() if {"min", "max"} & set(rule))
    if labels and dataset.classes:
        declared |= {labels}
    return Rules(limits, allowed, tuple(unique), columns, declared), whole


def _read(dataset: Dataset, schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    for name, rule in schema.items():
        if name not in dataset.arrays:
            near = suggestion(name, dataset.arrays) or f" There are: {', '.join(dataset.arrays)}."
            raise UsageError(f"The schema has an array {name!r}, the dataset has not.{near}")
        for word in rule:
            if word not in RULES:
                near = suggestion(word, RULES) or f" Rules are: {', '.join(RULES)}."
                raise UsageError(f"The schema of {name!r} has the rule {word!r}.{near}")
    return dict(schema)


def _usual(flat: NDArray[Any]) -> tuple[Any, Any] | None:
    """Return limits far beyond the quartiles, for each column in which values differ."""
    values = np.where(np.isfinite(flat), flat, np.nan) if flat.dtype.kind == "f" else flat
    if flat.shape[1] > 4096 or len(flat) < 100 or not np.isfinite(values).any():
        return None
    with np.errstate(all="ignore"):
        lows, highs = np.nanpercentile(values.astype(np.float64), [25, 75], axis=0)
    wide = WIDE * (highs - lows)
    none = ~(wide > 0)
    return np.where(none, -np.inf, lows - wide), np.where(none, np.inf, highs + wide)
