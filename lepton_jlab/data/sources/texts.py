"""Texts: a line a sample in a .txt file, or a file a sample in folders by class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lepton_jlab.data.sources import Loaded, without_label
from lepton_jlab.data.store import is_zarr
from lepton_jlab.errors import DataError

FORM = "texts (.txt with a line a sample; folders of .txt files by class)"

PARTS = {"train": "", "training": "", "test": "test", "testing": "test", "val": "val"}
PARTS |= {"valid": "val", "validation": "val"}


def accepts(source: str) -> bool:
    """Whether `source` is a text file, or a folder with folders that hold text files."""
    path = Path(source).expanduser()
    if path.is_file():
        return path.suffix.lower() == ".txt"
    return path.is_dir() and not is_zarr(path) and any(_files(path, "*/*.txt", "*/*/*.txt"))


def load(source: str, label: str | None) -> Loaded:
    """Read them; what is not UTF-8 is taken as Windows-1252, and the notes say how often."""
    without_label(label, FORM)
    path = Path(source).expanduser()
    notes: dict[str, Any] = {}
    if path.is_file():
        lines = _decoded(path.read_bytes().splitlines(), notes)
        if not lines:
            raise DataError(f"{source} has no lines.")
        return Loaded({"": {"x": _texts(lines)}}, source, notes=notes)
    tops = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    parted = all(top.name.lower() in PARTS for top in tops)
    roots = {PARTS[top.name.lower()]: top for top in tops} if parted else {"": path}
    if "" not in roots:
        raise DataError(f"{source} has {', '.join(t.name for t in tops)}, but no folder train.")
    classes = sorted(
        {file.parent.name for root in roots.values() for file in _files(root, "*/*.txt")}
    )
    kind = np.min_scalar_type(max(0, len(classes) - 1))
    parts = {}
    for part, root in roots.items():
        found = _files(root, "*/*.txt")
        # In a random order, the same each time: training would never mix what is sorted by class.
        mixed = [found[i] for i in np.random.default_rng(0).permutation(len(found))]
        texts = _decoded([file.read_bytes() for file in mixed], notes)
        y = np.array([classes.index(file.parent.name) for file in mixed], kind)
        parts[part] = {"x": _texts(texts), "y": y}
    return Loaded(parts, source, classes, {"order": "random, seed 0", **notes})


def _files(root: Path, *patterns: str) -> list[Path]:
    return sorted(f for pattern in patterns for f in root.glob(pattern) if f.is_file())


def _decoded(samples: list[bytes], notes: dict[str, Any]) -> list[str]:
    texts = []
    for data in samples:
        try:
            texts.append(data.decode("utf-8-sig"))
        except UnicodeDecodeError:
            texts.append(data.decode("cp1252", "replace"))
            notes["not_utf8"] = notes.get("not_utf8", 0) + 1
    return texts


def _texts(texts: list[str]) -> np.ndarray[Any, Any]:
    made = np.empty(len(texts), np.dtypes.StringDType())
    made[:] = texts
    return made
