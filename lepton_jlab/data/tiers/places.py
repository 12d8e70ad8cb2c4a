"""Names of a dataset on the disk: its own, where its bytes lie, and what a move has beside them.

A dataset ``fashion.zarr`` is a Zarr folder of that name; or a symbolic link of that name to
``FOLDER/fashion-3f2a91c0.zarr`` in the folder of a tier; or what `lepton_jlab.data.elsewhere` made
of it, while its chunks are in ``s3://BUCKET/PREFIX/fashion-0b6c3f8d92aa.zarr``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lepton_jlab.config import installation
from lepton_jlab.data.store import address, is_url, is_zarr
from lepton_jlab.data.tiers.prices import Tier

WARM = "warm"
REMOTE = "remote"
_HOMES = "abc"  # at most: where it is, where it was, where it goes


def identity(path: str | os.PathLike[str]) -> str:
    """Return the one name of a dataset, however it is called and whatever is opened inside it."""
    where = address(path)
    if is_url(where):
        return where
    place = Path(os.path.normpath(where))
    while is_zarr(place.parent):
        place = place.parent
    own = place.parent.resolve() / place.name
    return str(own if not own.is_symlink() or is_link(own) else own.resolve())


def is_link(path: Path) -> bool:
    """Whether `path` is a link that a move has made, and not one of the user's."""
    name = rf"{re.escape(path.stem)}-[0-9a-f]{{8}}[bc]?{re.escape(path.suffix)}"
    return path.is_symlink() and bool(re.fullmatch(name, path.readlink().name))


def homes(path: Path, tier: Tier) -> Iterator[Path]:
    """Yield the places that a dataset may have in the folder of a tier."""
    if tier.folder is not None:
        for name in _home_names(path):
            yield tier.folder / name


def moving(path: Path) -> Path:
    """Return what is beside a dataset while it is moved: the new one, then the old one."""
    return path.with_name(f".{path.name}.moving")


def aside(path: Path) -> Path:
    """Return where the old one is for a moment, where names cannot be exchanged."""
    return path.with_name(f".{path.name}.aside")


def before(path: Path) -> Path:
    """Return where the state before a move is kept, if it is."""
    return path.with_name(f".{path.name}.before")


def uploading(path: Path) -> Path:
    """Return the file that holds the URL to which a dataset is just being moved."""
    return path.with_name(f".{path.name}.uploading")


def _home_names(path: Path) -> list[str]:
    # Machines that share the folder of a tier may have datasets at equal paths.
    tag = hashlib.sha256(installation().encode() + os.fsencode(path)).hexdigest()[:8]
    return [f"{path.stem}-{tag}{letter.strip('a')}{path.suffix}" for letter in _HOMES]


def history(path: Path) -> list[Mapping[str, Any]]:
    """Return what was done to a dataset, by its attributes; nothing where they cannot be read."""
    try:
        document = json.loads((path / "zarr.json").read_text())
    except (OSError, ValueError):
        return []
    schema = document.get("attributes", {}).get("lepton", {})
    entries = schema.get("history", []) if isinstance(schema, dict) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def placed(path: Path) -> dict[str, Any]:
    """Return the entry of the move that made a dataset what it is, or nothing.

    One that was imported again has the attributes of its source; that it was moved is over.
    """
    for entry in reversed(history(path)):
        if entry.get("action") == "tier":
            return dict(entry)
        if entry.get("action") == "import":
            break
    return {}


def tier_of(path: str | os.PathLike[str]) -> str:
    """Return ``"hot"``, ``"warm"`` or ``"cold"``; ``"remote"`` for a URL.

    What was never moved is warm.
    """
    own = identity(path)
    return REMOTE if is_url(own) else str(placed(Path(own)).get("tier", WARM))


def came_from(path: str | os.PathLike[str]) -> str | None:
    """Return the tier that a dataset had before its last move, or None if it was not moved."""
    own = identity(path)
    return None if is_url(own) else placed(Path(own)).get("from")
