"""Changes what a dataset says of itself, in one step: its attributes, and what is consolidated."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lepton_jlab.data.store import is_url
from lepton_jlab.errors import DataError


def entry(action: str, **more: Any) -> dict[str, Any]:
    """Return what the history says of something that was done just now."""
    from lepton_jlab import __version__

    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"action": action, "time": now, "lepton": __version__, **more}


def amend(where: str, inner: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let `change` alter the entry ``lepton`` of a group's attributes; samples stay untouched.

    Parameters
    ----------
    where, inner
        Address of the store, and of the group within it.

    Raises
    ------
    DataError
        If the attributes cannot be written: a URL, a zip file, Zarr v2, or no right to it.
    """
    root = Path(where)
    if is_url(where) or not (root / "zarr.json").is_file():
        raise DataError(f"The attributes of {where} cannot be changed here.")
    try:
        with _held(root):
            if inner:
                _rewrite(root / inner / "zarr.json", lambda document: _alter(document, change))
            _rewrite(root / "zarr.json", lambda document: _within(document, inner, change))
    except OSError as error:
        raise DataError(f"{root} cannot be written: {error.strerror}.") from error


def _within(document: dict[str, Any], inner: str, change: Callable[[dict[str, Any]], None]) -> None:
    if not inner:
        _alter(document, change)
        return
    known = (document.get("consolidated_metadata") or {}).get("metadata", {})
    if inner in known:
        _alter(known[inner], change)


def _alter(document: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
    attributes = document.setdefault("attributes", {})
    schema = attributes.get("lepton")
    attributes["lepton"] = schema if isinstance(schema, dict) else {}
    change(attributes["lepton"])


def _rewrite(path: Path, alter: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_text())
    alter(document)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".zarr.json.")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(document, file, indent=2)
        Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class _held:  # noqa: N801 - reads as a verb
    """One process at a time; file systems without locks let everybody in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        self._file = os.open(self._folder, os.O_RDONLY)
        with suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
