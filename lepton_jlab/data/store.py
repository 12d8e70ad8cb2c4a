"""Where a dataset lives: turns a path, a zip file or a URL into an open Zarr node, read only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from lepton_jlab.errors import DataError, LeptonError, NotFoundError, suggestion

Node: TypeAlias = Any  # zarr.Group | zarr.Array, told apart where it matters

MARKS = ("zarr.json", ".zgroup", ".zarray")  # the file that makes a folder a Zarr node


def address(path: str | os.PathLike[str]) -> str:
    """Return `path` so that it means the same in another process: a URL as it is, else absolute."""
    text = os.fspath(path)
    if is_url(text):
        return text.rstrip("/")
    return str(Path(text).expanduser().absolute())


def is_url(text: str) -> bool:
    """Whether `text` names something by a scheme, as in ``s3://bucket/name.zarr``."""
    return "://" in text


def is_zarr(folder: Path) -> bool:
    """Whether `folder` is a Zarr group or array on this machine."""
    return any((folder / mark).is_file() for mark in MARKS)


def open_node(where: str, cache: int | None = None) -> Node:
    """Open the Zarr group or array at an address made by `address`.

    Parameters
    ----------
    cache
        Bytes on this machine's disk that may be used to keep what is read over the network, or from
        another disk; 0 for none, None: as the file of tiers says of the hot disk.

    Raises
    ------
    NotFoundError
        If there is nothing of that name.
    DataError
        If what is there is not Zarr, or cannot be read.
    MissingDependencyError
        If the URL's scheme needs a library that is not installed.
    """
    from lepton_jlab.data.repository import MARK, is_repository, open_repository

    whole, mark, version = where.partition(MARK)
    if mark:
        return _checked(lambda: open_repository(whole, version), whole)
    if is_url(where):
        return _open_url(where, cache)
    path = Path(where)
    if not path.exists():
        raise NotFoundError(_missing(path))
    if path.is_file():
        return _open_zip(path)
    if not is_zarr(path):
        if is_repository(path):
            return _checked(lambda: open_repository(where), where)
        raise DataError(
            f"{where} is a folder, but not a Zarr dataset. "
            f"Import what is in it: %lepton data import {path.name} {path.name}.zarr"
        )
    from lepton_jlab.data.copied_folder import open_folder
    from lepton_jlab.data.elsewhere import find_elsewhere

    if moved := find_elsewhere(path):
        from lepton_jlab.data.remote.moved import MovedStore

        return _open(MovedStore(moved[0], cache), where, moved[1])
    return _unfolded(_open(open_folder(where, cache), where), where)


def _unfolded(node: Node, where: str) -> Node:
    """Return the node, or the arrays of what it is fused of."""
    schema = node.attrs.get("lepton")
    if not isinstance(schema, dict) or "fused" not in schema:
        return node
    from lepton_jlab.data.fuse.store import unfolded

    return unfolded(node, where)


def _open(store: Any, where: str, inner: str = "") -> Node:
    import zarr

    return _checked(lambda: zarr.open(store=store, path=inner, mode="r"), where)


def _checked(opening: Callable[[], Node], where: str) -> Node:
    try:
        return opening()
    except LeptonError:
        raise
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no Zarr dataset at {where}: {error}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:  # what broken metadata raises
        raise DataError(f"{where} cannot be opened as Zarr: {error}") from error


def _open_url(where: str, cache: int | None) -> Node:
    from lepton_jlab.data.remote.connect import EXTRAS, scheme_of

    scheme = scheme_of(where)
    if scheme in EXTRAS:
        from lepton_jlab.data.remote.opening import open_remote

        try:
            return _checked(lambda: open_remote(where, cache), where)
        except NotFoundError:
            from lepton_jlab.data.repository import is_remote_repository, open_repository

            if not is_remote_repository(where):
                raise
            return _checked(lambda: open_repository(where), where)
    try:
        return _open(where, where)
    except ImportError as error:
        raise DataError(
            f"{where} cannot be opened: {error}. Lepton itself reads {', '.join(EXTRAS)}; for "
            f"{scheme}:// install fsspec and its library for {scheme}."
        ) from error


def _open_zip(path: Path) -> Node:
    import zipfile

    from zarr.storage import ZipStore

    if not zipfile.is_zipfile(path):
        raise DataError(
            f"{path} is a file, not a Zarr dataset. "
            f"Import it first: %lepton data import {path.name} {path.stem}.zarr"
        )
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    inner = ""
    if not tops & set(MARKS):  # `zip -r name.zip name.zarr` puts the folder itself inside
        inner = next((t for t in sorted(tops) if any(f"{t}/{m}" in names for m in MARKS)), "")
        if not inner:
            raise DataError(f"{path} is a zip file, but holds no Zarr dataset.")
    return _open(ZipStore(path, mode="r"), str(path), inner)


def _missing(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"No dataset at {path}: the folder {folder} does not exist."
    beside = [p.name for p in folder.iterdir() if not p.name.startswith(".")]
    near = suggestion(path.name, beside) or suggestion(f"{path.name}.zarr", beside)
    zarrs = sorted(name for name in beside if name.endswith(".zarr"))[:5]
    there = f" In {folder}: {', '.join(zarrs)}." if zarrs and not near else ""
    return f"No dataset at {path}.{near}{there} Make one: %lepton data import SOURCE {path.name}"
