"""A dataset whose chunks are in an object store: what stays of it under its name on this machine.

The folder keeps its metadata documents, so that every reader sees groups, arrays and attributes. In
the place of chunks there are links that lead nowhere but to themselves: who follows one gets an
error ("Too many levels of symbolic links"), where a file that is missing would mean zeros. Beside
them ``in-object-store.json`` says where each chunk is, in the format of kerchunk, version 1, which
stock fsspec reads as ``reference://``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_jlab.data.store import MARKS

NAME = "in-object-store.json"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where the chunks of a dataset are.

    Attributes
    ----------
    folder
        What is left on this machine.
    url
        Of the dataset in the object store; there it is a Zarr dataset like any other.
    nbytes
        What its objects take, in bytes.
    stored
        Bytes by array, for its path in the dataset.
    """

    folder: Path
    url: str
    nbytes: int
    stored: Mapping[str, int]

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each object by its key."""
        refs = json.loads((self.folder / NAME).read_text())["refs"]
        return {
            key: len(what.encode()) if isinstance(what, str) else what[2]
            for key, what in refs.items()
        }


def elsewhere(folder: Path) -> Elsewhere | None:
    """Return where the chunks of the dataset in `folder` are; None if they are there themselves."""
    try:
        with (folder / NAME).open() as file:
            first = file.readline()
    except OSError:
        return None
    known = json.loads(first.rstrip().removesuffix('"refs":{').rstrip(",") + "}")["lepton"]
    return Elsewhere(folder, known["url"], known["bytes"], known["stored"])


def find_elsewhere(path: Path) -> tuple[Elsewhere, str] | None:
    """Return where the chunks of a dataset, or of one inside another, are; and its path in that."""
    for folder in (path, *path.parents):
        if not any((folder / mark).is_file() for mark in MARKS):
            return None
        if found := elsewhere(folder):
            inner = path.relative_to(folder).as_posix()
            return found, "" if inner == "." else inner
    return None


def leave_behind(
    folder: Path, url: str, documents: Mapping[str, str], chunks: Mapping[str, int]
) -> None:
    """Make what stays of a dataset on this machine.

    Parameters
    ----------
    folder
        Where; it is not there yet.
    url
        Of the dataset in the object store.
    documents
        The metadata documents by key.
    chunks
        The bytes of all other objects by key.
    """
    folder.mkdir()
    for key, text in documents.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_text(text)
    arrays = sorted((key.rpartition("/")[0] for key in documents), key=len, reverse=True)
    for link in {_outermost(key, arrays) for key in chunks}:
        place = folder / link
        place.symlink_to(place.name)
    (folder / NAME).write_text("\n".join(_lines(url, documents, chunks)))


def _lines(url: str, documents: Mapping[str, str], chunks: Mapping[str, int]) -> Iterable[str]:
    """Yield the document; its first line, which is short, is all that Lepton asks for often."""
    stored: dict[str, int] = {}
    for key in documents:
        path = key.rpartition("/")[0]
        prefix = f"{path}/" if path else ""
        stored[path] = sum(size for name, size in chunks.items() if name.startswith(prefix))
    nbytes = sum(chunks.values()) + sum(len(text.encode()) for text in documents.values())
    known = {"url": url, "bytes": nbytes, "stored": stored}
    head = json.dumps({"version": 1, "templates": {"u": url}, "lepton": known})
    yield f'{head[:-1]},"refs":{{'
    refs: dict[str, Any] = {**documents}
    refs |= {key: [f"{{{{u}}}}/{key}", 0, size] for key, size in chunks.items()}
    last = len(refs)
    for number, (key, what) in enumerate(refs.items(), 1):
        yield f"{json.dumps(key)}:{json.dumps(what)}{',' if number < last else ''}"
    yield "}}"


def _outermost(key: str, arrays: Iterable[str]) -> str:
    """Return the outermost part of a chunk's path that is no group or array."""
    path = next(path for path in arrays if not path or key.startswith(f"{path}/"))
    start = len(path) + 1 if path else 0
    return key[:start] + key[start:].partition("/")[0]
