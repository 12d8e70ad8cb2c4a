"""Whether a source is still the same: a digest of names, dates, sizes and a few samples."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from lepton_jlab.data.codecs import TEXT_KINDS
from lepton_jlab.data.sources import Loaded, Samples

PLACES = 3  # of each array, from which a sample is taken


def fingerprint(source: str, loaded: Loaded) -> str:
    """Return a digest that differs when `source`, or what was loaded from it, is another.

    Files are told apart by size and time of change, not read again; of each array the type, the
    shape and samples from its beginning, middle and end count.
    """
    digest = hashlib.sha256()

    def add(*facts: object) -> None:
        digest.update(repr(facts).encode())

    path = Path(source).expanduser()
    add(os.fspath(path.absolute()) if path.exists() else source)
    add(loaded.origin, loaded.classes, loaded.notes)
    for found in _files(path):
        add(*found)
    for part, arrays in loaded.parts.items():
        form = loaded.forms.get(part)
        add(part, form and form.attributes)
        for name, values in arrays.items():
            add(name, values.shape, str(values.dtype))
            for sample in _samples(values):
                digest.update(sample)
    return digest.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield the name, size and time of change of a file, or of all in a folder."""
    if path.is_file():
        status = path.stat()
        yield "", status.st_size, status.st_mtime_ns
    elif path.is_dir():
        for folder, inside, files in os.walk(path):
            inside.sort()
            for name in sorted(files):
                file = Path(folder, name)
                status = file.stat()
                yield os.fspath(file.relative_to(path)), status.st_size, status.st_mtime_ns


def _samples(values: Samples) -> Iterator[bytes]:
    last = values.shape[0] - 1
    for start in sorted({i * last // (PLACES - 1) for i in range(PLACES)}):
        sample = values[start : start + 1]
        text = values.dtype.kind in TEXT_KINDS
        yield repr(sample.tolist()).encode() if text else sample.tobytes()
