"""Writes versions to an object store, equal chunks once, as references that fsspec opens.

A version is one document in the format of kerchunk, version 1: metadata inside, and for each chunk
where it is. Stock fsspec reads it as ``reference://``. There are no branches and no transactions:
that is what Icechunk is for.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from lepton_jlab.data.storage.faults import explained
from lepton_jlab.data.storage.files import is_document
from lepton_jlab.data.storage.place import Place, find_version, place_of
from lepton_jlab.data.storage.record import digests, read_record
from lepton_jlab.data.store import address, is_url
from lepton_jlab.errors import DataError

Progress = Callable[[int, int, str], None]

_AT_ONCE = 8  # chunks on their way
_SILENCE = 60.0  # s
_RETRIES = 5


def export(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str],
    versions: Sequence[str] = (),
    *,
    base: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a dataset, or versions of it, as references to chunks that all of them share.

    ``TARGET/chunks/<SHA-256>`` holds each chunk once, those of earlier exports and of other
    datasets included; ``TARGET/NAME.json``, or ``TARGET/NAME.VERSION.json``, is what is opened::

        zarr.open_group("reference://", storage_options={"fo": "TARGET/NAME.json"})

    Over a network fsspec has to be told so: ``storage_options={"fo": …, "remote_protocol": "https",
    "remote_options": {"asynchronous": True}}``.

    A document is written when all of its chunks are there.

    Parameters
    ----------
    path
        The folder of the dataset.
    target
        A folder, ``s3://bucket/prefix`` or ``gs://bucket/prefix``.
    versions
        Their names; none: the dataset as it is.
    base
        Where readers find `target`, if not there: ``https://data.example.org/fashion``.
    progress
        Called with (chunks done, chunks in all, what is being done).

    Returns
    -------
    dict
        ``references``: the documents; ``chunks``, ``bytes``: what they refer to, each chunk once;
        ``new_chunks``, ``new_bytes``: what had to be written.

    Raises
    ------
    NotFoundError
        If there is no such dataset or version.
    DataError
        If a chunk is damaged, or the target cannot be written.
    MissingDependencyError
        If obstore is not installed, for a bucket.
    """
    place = place_of(path)
    where = address(target)
    store: _Target = _Bucket(where) if is_url(where) else _Folder(Path(where))
    names: list[str | None] = [*versions] or [None]
    sides = {_document(place, name): _files(place, name) for name in names}
    wanted = {
        digest: folder / key
        for folder, files in sides.values()
        for key, digest in files.items()
        if not is_document(key)
    }
    with explained(f"The export of {place.dataset.name}", Path(where), "what is there stays"):
        there = store.chunks()
        missing = {digest: file for digest, file in wanted.items() if digest not in there}
        written = _write_chunks(store, missing, progress)
        for document, (folder, files) in sides.items():
            store.put(document, _references(base or store.base, folder, files))
    return {
        "target": where,
        "references": [f"{where}/{document}" for document in sides],
        "chunks": len(wanted),
        "bytes": sum(file.stat().st_size for file in wanted.values()),
        "new_chunks": len(missing),
        "new_bytes": written,
    }


def _document(place: Place, version: str | None) -> str:
    return f"{place.dataset.name}{f'.{version}' if version else ''}.json"


def _files(place: Place, version: str | None) -> tuple[Path, Mapping[str, str]]:
    if version is None:
        return place.dataset, digests(place)
    folder = find_version(place, version) / place.dataset.name
    return folder, read_record(place, version).files


def _references(base: str, folder: Path, files: Mapping[str, str]) -> bytes:
    refs = {
        key: (folder / key).read_text() if is_document(key) else _reference(folder / key, digest)
        for key, digest in files.items()
    }
    return json.dumps({"version": 1, "templates": {"u": base}, "refs": refs}).encode()


def _reference(file: Path, digest: str) -> list[str | int]:
    """Return where a chunk is, with its offset and length, which some readers insist on."""
    return [f"{{{{u}}}}/chunks/{digest}", 0, file.stat().st_size]


def _write_chunks(store: _Target, missing: Mapping[str, Path], progress: Progress | None) -> int:
    def write(entry: tuple[str, Path]) -> int:
        digest, file = entry
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise DataError(f"{file} is damaged, or was written meanwhile; export again.")
        store.put(f"chunks/{digest}", content)
        return len(content)

    size = 0
    with ThreadPoolExecutor(_AT_ONCE, "lepton-export") as pool:
        for done, written in enumerate(pool.map(write, missing.items()), 1):
            size += written
            if progress is not None:
                progress(done, len(missing), "exporting")
    return size


class _Target(Protocol):
    """Where an export goes; called by many threads at once."""

    base: str

    def chunks(self) -> set[str]:
        """Return the names of the chunks that are there."""

    def put(self, key: str, content: bytes) -> None:
        """Write a file as a whole."""


class _Folder:
    def __init__(self, folder: Path) -> None:
        self.base = folder.as_uri()
        self._folder = folder

    def chunks(self) -> set[str]:
        folder = self._folder / "chunks"
        folder.mkdir(parents=True, exist_ok=True)
        return {file.name for file in folder.iterdir()}

    def put(self, key: str, content: bytes) -> None:
        file = self._folder / key
        partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
        try:
            partial.write_bytes(content)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)


class _Bucket:
    def __init__(self, where: str) -> None:
        from lepton_jlab.data.remote.connect import EXTRAS, connect, scheme_of

        if EXTRAS.get(scheme_of(where)) not in ("s3", "gs"):
            raise DataError(f"{where} cannot be written; export to a folder, s3:// or gs://.")
        self.base = where
        self._client = connect(where, silence=_SILENCE, retries=_RETRIES)

    def chunks(self) -> set[str]:
        import obstore

        with self._answered():
            return {
                str(entry["path"]).rpartition("/")[2]
                for batch in obstore.list(self._client, prefix="chunks")
                for entry in batch
            }

    def put(self, key: str, content: bytes) -> None:
        import obstore

        with self._answered():
            obstore.put(self._client, key, content)

    @contextmanager
    def _answered(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except BaseError as error:
            reason = str(error).partition("\n")[0]
            raise DataError(
                f"{self.base} cannot be written: {reason}. What is there stays; export again."
            ) from error
