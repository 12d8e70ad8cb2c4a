"""Opens a Zarr node behind a URL, also where the server cannot say what a group holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import zarr

from lepton_jlab.data.remote.store import RemoteStore
from lepton_jlab.data.schema import ROLES
from lepton_jlab.errors import DataError, NotFoundError


def open_remote(address: str, cache: int | None) -> Any:
    """Open the Zarr group or array at a URL.

    Parameters
    ----------
    cache
        Bytes on disk that may be used to keep what is read; None for none.

    Raises
    ------
    NotFoundError
        If there is nothing.
    DataError
        If it cannot be read, or if nothing tells which arrays a group has.
    """
    store = RemoteStore(address, cache)
    try:
        node = zarr.open(store=store, mode="r")
    except FileNotFoundError as error:
        if store.refused:
            raise DataError(store.refused) from error
        raise NotFoundError(f"There is no Zarr dataset at {store}.") from error
    if isinstance(node, zarr.Group) and not _tells_members(node):
        return _with_members(node)
    return node


def _tells_members(group: zarr.Group) -> bool:
    return group.store.supports_listing or group.metadata.consolidated_metadata is not None


def _with_members(group: zarr.Group) -> zarr.Group:
    """Return `group` with its arrays that have roles: the names of these are known."""
    from zarr.core.group import AsyncGroup, ConsolidatedMetadata

    found = {name: group[name].metadata for name in _likely(group) if name in group}
    if not found:
        raise DataError(
            f"{group.store} is a Zarr group, but web servers do not list what is in it. Let its "
            f"metadata tell: run zarr.consolidate_metadata(PATH) where it lies."
        )
    metadata = replace(group.metadata, consolidated_metadata=ConsolidatedMetadata(found))
    return zarr.Group(AsyncGroup(metadata, group.store_path))


def _likely(group: zarr.Group) -> list[str]:
    schema = group.attrs.get("lepton")
    given = schema.get("roles") if isinstance(schema, dict) else None
    return [str(name) for name in given.values()] if isinstance(given, dict) else list(ROLES)
