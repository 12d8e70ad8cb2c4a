"""Long work with datasets, done in another process: the server keeps its time and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Progress = Callable[[int, int, str], None]


def import_dataset(progress: Progress, **arguments: Any) -> dict[str, Any]:
    """Import a dataset and return its description."""
    from lepton_jlab.data import import_dataset

    return import_dataset(**arguments, progress=progress).info()


def verify(progress: Progress, path: str) -> dict[str, Any]:
    """Check a dataset and return what was found."""
    from lepton_jlab.data.storage import verify

    found = verify(path, progress=progress)
    return {"ok": found.ok, **found.to_dict()}


def apply_tier(progress: Progress, **arguments: Any) -> dict[str, Any]:
    """Move a dataset and return what was done."""
    from lepton_jlab.data.tiers.applying import apply

    return apply(**arguments, progress=progress)
