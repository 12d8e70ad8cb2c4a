"""Where a run keeps its checkpoints."""

from __future__ import annotations

from pathlib import Path

FOLDER = "checkpoint"  # in the folder of a run


def path_of(folder: Path, call: int) -> Path:
    """Return the checkpoint of the `call`-th `fit` of a run, counted from 1."""
    return folder / FOLDER / f"fit-{call}.npz"
