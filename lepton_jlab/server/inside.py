"""Keeps paths that a browser sends inside the folder that the server shows."""

from __future__ import annotations

import os
from pathlib import Path

from lepton_jlab.errors import UsageError


def inside(root: Path, path: str) -> Path:
    """Return where `path`, relative to `root`, is.

    Raises
    ------
    UsageError
        When that is not below `root`: by ``..``, as an absolute path, or over a symbolic link.
        Links that Lepton itself has made, of datasets moved to another tier, may be followed.
    """
    refused = UsageError(
        f"{path!r} is not inside the server's folder. Give a path relative to it, as data/a.zarr."
    )
    if any(part in path for part in ("\0", "\\", "://")) or path[:1] in ("~", "/"):
        raise refused
    place = Path(os.path.normpath(root / path))
    if not place.is_relative_to(root):
        raise refused
    try:
        real = place.resolve()
    except (OSError, RuntimeError) as error:  # a loop of links, a name that is too long
        raise refused from error
    if real.is_relative_to(root) or _moved_by_lepton(root, place):
        return place
    raise refused


def relative(root: Path, path: str | None) -> str | None:
    """Return `path` as a browser names it, None for what is outside of `root`."""
    if path is None:
        return None
    place = Path(path)
    if place.is_relative_to(root):
        return place.relative_to(root).as_posix()
    real = place.parent.resolve() / place.name
    return real.relative_to(root).as_posix() if real.is_relative_to(root) else None


def _moved_by_lepton(root: Path, place: Path) -> bool:
    from lepton_jlab.data.tiers.places import is_link
    from lepton_jlab.data.tiers.prices import load_tiers

    for link in (place, *place.parents):
        if link == root:
            return False
        if link.is_symlink():
            homes = [tier.folder for tier in load_tiers().tiers.values() if tier.folder is not None]
            below = link.parent.resolve().is_relative_to(root)
            rest = place.relative_to(link)
            target = link.resolve()
            return (
                below
                and is_link(link)
                and any(target.parent == home.resolve() for home in homes)
                and (target / rest).resolve().is_relative_to(target)
            )
    return False
