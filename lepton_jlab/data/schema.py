"""What the arrays of a Zarr group mean: which hold samples, which is x, y and sample_weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lepton_jlab.data.column import dimension_names
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    import zarr

    Arrays = Mapping[str, zarr.Array[Any]]

ROLES = ("x", "y", "sample_weight")


def find_roles(where: str, schema: Mapping[str, Any], arrays: Arrays) -> dict[str, str]:
    """Return array names by role: what the schema says, else the arrays that are named so.

    Raises
    ------
    DataError
        If the schema names an array that is not there.
    """
    given = schema.get("roles")
    if isinstance(given, dict):
        for role, name in given.items():
            if role not in ROLES or name not in arrays:
                raise DataError(
                    f"{where}: its attribute gives the role {role!r} to {name!r}. Roles are "
                    f"{', '.join(ROLES)}; arrays: {', '.join(arrays) or 'none'}."
                )
        return dict(given)
    # An xarray group of maps has coordinates named x and y: they are axes, not samples.
    return {r: r for r in ROLES if r in arrays and dimension_names(arrays[r]) != (r,)}


def find_members(where: str, roles: Mapping[str, str], arrays: Arrays) -> Arrays:
    """Return the arrays that share the first axis of the inputs, or else of the largest array.

    Raises
    ------
    DataError
        If arrays with roles differ in their number of samples.
    """
    candidates = {name: array for name, array in arrays.items() if array.shape}
    if not candidates:
        return {}
    leader = roles.get("x") or max(candidates, key=lambda name: (candidates[name].size, name))
    for role, name in roles.items():
        if name not in candidates:
            raise DataError(f"{where}: {name!r} ({role}) is a single value, not one per sample.")
        samples, others = candidates[leader].shape[0], candidates[name].shape[0]
        if samples != others:
            raise DataError(
                f"{where}: {leader!r} has {samples} samples, but {name!r} ({role}) has {others}. "
                "They must be equally many."
            )
    return {
        name: array
        for name, array in candidates.items()
        if name in roles.values() or _shares_axis(array, candidates[leader])
    }


def _shares_axis(array: zarr.Array[Any], leader: zarr.Array[Any]) -> bool:
    """Whether the first axes are equally long, and not by name two different ones."""
    names = {dimension_names(array)[0], dimension_names(leader)[0]} - {None}
    return array.shape[0] == leader.shape[0] and len(names) < 2
