"""Runs that go on where others ended: what they take over."""

from __future__ import annotations

import shutil
from pathlib import Path

from lepton_jlab.errors import RunError
from lepton_jlab.replicas.places import FOLDER


def check_resumable(run: str, state: str, folder: Path) -> None:
    """Refuse to resume a run that needs none, or cannot.

    Raises
    ------
    RunError
        It has not ended, has succeeded, or has no checkpoint.
    """
    if state in ("queued", "running"):
        raise RunError(f"{run} is {state}; there is nothing to resume. Watch it: runs wait {run}")
    if state == "done":
        raise RunError(f"{run} is done. Run it again: %lepton runs rerun {run}")
    if not any((folder / FOLDER).glob("*.npz")):
        raise RunError(
            f"{run} left no checkpoint. Run it again: %lepton runs rerun {run}. Runs with "
            "--replicas or --checkpoint make them while fit trains."
        )


def take_over(old: Path, new: Path) -> None:
    """Give the run of folder `new` the checkpoints and metrics of that of `old`."""
    if (old / FOLDER).is_dir():
        shutil.copytree(old / FOLDER, new / FOLDER, dirs_exist_ok=True)
    if (old / "metrics.jsonl").is_file():
        shutil.copy(old / "metrics.jsonl", new / "metrics.jsonl")
