"""Checkpoints of a Keras `fit`: one file for each call of it, replaced at once or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.errors import RunError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write(
    path: Path, groups: Mapping[str, Sequence[NDArray[Any]]], document: Mapping[str, Any]
) -> int:
    """Write arrays by group, and what is JSON-ready; return the bytes of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{name}.{i}": array for name, part in groups.items() for i, array in enumerate(part)}
    words = np.frombuffer(json.dumps(document).encode(), np.uint8)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, document=words, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return path.stat().st_size


def read(path: Path) -> tuple[dict[str, list[NDArray[Any]]], dict[str, Any]] | None:
    """Return what `write` was given, or None if there is no such file.

    Raises
    ------
    RunError
        The file is damaged.
    """
    try:
        with np.load(path) as file:
            document = json.loads(file["document"].tobytes())
            groups: dict[str, list[NDArray[Any]]] = {}
            for key in file.files:
                name, dot, _ = key.rpartition(".")
                if dot:
                    groups.setdefault(name, []).append(file[key])
            return groups, document
    except FileNotFoundError:
        return None
    except Exception as error:
        raise RunError(
            f"The checkpoint {path} cannot be read: {error}. Remove it to train from the beginning."
        ) from error
