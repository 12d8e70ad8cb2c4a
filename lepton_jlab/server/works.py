"""Long work with datasets, done in another process: the server keeps its time and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Progress = Callable[[int, int, str], None]


def import_dataset(progress: Progress, **arguments: Any) -> dict[str, Any]:
    """Import a dataset and return its description."""
    from lepton_jlab.data import import_dataset

    return import_dataset(**arguments, progress=progress).info()


def snapshot(progress: Progress, path: str, name: str) -> dict[str, Any]:
    """Keep a dataset as it is and return the version."""
    from lepton_jlab.data.storage import snapshot

    return snapshot(path, name, progress=progress)


def restore(progress: Progress, path: str, name: str, force: bool) -> dict[str, Any]:
    """Bring a version back and return what was done."""
    from lepton_jlab.data.storage import restore

    return restore(path, name, force=force, progress=progress)


def verify(progress: Progress, path: str) -> dict[str, Any]:
    """Check a dataset and return what was found."""
    from lepton_jlab.data.storage import verify

    found = verify(path, progress=progress)
    return {"ok": found.ok, **found.to_dict()}


def apply_tier(progress: Progress, **arguments: Any) -> dict[str, Any]:
    """Move a dataset and return what was done."""
    from lepton_jlab.data.tiers.applying import apply

    return apply(**arguments, progress=progress)
