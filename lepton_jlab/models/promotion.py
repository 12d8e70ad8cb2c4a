"""Which version of a model is the one to use: a small file, with those that were it before."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from lepton_jlab.errors import NotFoundError, UsageError
from lepton_jlab.models import places

_FILE = "promoted.json"


def promoted(name: str) -> int:
    """Return the promoted version of a model; cheap enough to be asked often.

    Raises
    ------
    NotFoundError
        If there is no such model.
    """
    folder = places.existing(name)
    there = places.numbers(name)
    history = [entry["version"] for entry in _read(folder) if entry["version"] in there]
    # A first version that was saved by a process killed before it promoted it.
    return int(history[-1]) if history else there[0]


def promoted_file(name: str) -> Path:
    """Return the file that changes, by being replaced, when another version is promoted."""
    return places.existing(name) / _FILE


def promote(name: str, version: int) -> None:
    """Make `version` the one to use.

    Raises
    ------
    NotFoundError
        If there is no such version.
    """
    folder = places.existing(name)
    with places.holding(folder):
        there = places.numbers(name)
        if version not in there:
            raise NotFoundError(no_version(name, version, there))
        history = [entry for entry in _read(folder) if entry["version"] in there]
        if not history or history[-1]["version"] != version:
            _write(folder, [*history, {"version": version, "at": time.time()}])


def rollback(name: str) -> int:
    """Make the version that was promoted before this one the one to use, and return it.

    Raises
    ------
    UsageError
        If none was.
    """
    folder = places.existing(name)
    with places.holding(folder):
        there = places.numbers(name)
        history = [entry for entry in _read(folder) if entry["version"] in there]
        now = history[-1]["version"] if history else there[0]
        while history and history[-1]["version"] == now:
            history.pop()
        if not history:
            raise UsageError(
                f"No other version of {name!r} was promoted before {now}. It has "
                f"{', '.join(map(str, there))}. Promote one: %lepton model promote {name}:VERSION"
            )
        _write(folder, history)
        return int(history[-1]["version"])


def no_version(name: str, version: int, there: list[int]) -> str:
    """Say that there is no such version."""
    listed = ", ".join(map(str, there))
    return (
        f"{name!r} has no version {version}. It has: {listed}. See them: %lepton model show {name}"
    )


def _read(folder: Path) -> list[dict[str, Any]]:
    try:
        history: list[dict[str, Any]] = json.loads((folder / _FILE).read_text())["history"]
    except FileNotFoundError:
        return []
    return history


def _write(folder: Path, history: list[dict[str, Any]]) -> None:
    document = {"version": history[-1]["version"], "history": history[-50:]}
    places.write_text(folder / _FILE, json.dumps(document, indent=1) + "\n")
