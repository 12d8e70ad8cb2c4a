"""Where the files of a dataset are: a folder, or a prefix of a bucket; what a move needs of it."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lepton_jlab.data.elsewhere import Elsewhere, elsewhere
from lepton_jlab.data.storage.cloning import copy
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    import zarr

    Document = dict[str, Any]

_SILENCE = 60.0  # s
_RETRIES = 5


class Home(Protocol):
    """The files of a dataset; used by many threads at once."""

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yield the metadata documents of groups and arrays, by their path, those of Zarr v3."""

    def sizes(self) -> dict[str, int]:
        """Return the bytes of all files by key."""

    def read(self, key: str) -> bytes:
        """Return a file."""

    def take(self, key: str, source: Home) -> None:
        """Write a file, as another home has it."""

    def write(self, key: str, content: bytes) -> None:
        """Write a file."""

    def array(self, path: str, mode: Any) -> zarr.Array[Any]:
        """Open an array."""

    def consolidate(self, path: str) -> None:
        """Write the metadata of all arrays of a group into its own."""

    def clear(self) -> None:
        """Remove all files."""

    @property
    def nbytes(self) -> int:
        """What they take, in bytes."""


def home_of(folder: Path) -> Home:
    """Return where the files of the dataset in `folder` are."""
    moved = elsewhere(folder)
    return Folder(folder) if moved is None else Bucket(moved.url, moved)


class Folder:
    """A folder on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yield the metadata documents by path.

        Raises
        ------
        DataError
            If it is not Zarr v3, or a document cannot be read.
        """
        if not (self.path / "zarr.json").is_file():
            raise DataError(
                f"{self.path} is Zarr v2, whose codecs are not changed. Write it as v3 first: "
                f"%lepton data import {self.path.name} NEW.zarr"
            )
        for place, inside, files in os.walk(self.path):
            if "zarr.json" not in files:
                inside.clear()
                continue
            try:
                document = json.loads(Path(place, "zarr.json").read_text())
                is_array = document["node_type"] == "array"
            except (OSError, ValueError, KeyError) as error:
                raise DataError(f"{place}/zarr.json cannot be read: {error!r}.") from error
            if is_array:
                inside.clear()
            inside.sort()
            path = os.path.relpath(place, self.path)
            yield "" if path == "." else path, document

    def sizes(self) -> dict[str, int]:
        """Return the bytes of all files by key; links of the user's are followed."""
        return {
            os.path.relpath(Path(place, name), self.path): Path(place, name).stat().st_size
            for place, _, files in os.walk(self.path, followlinks=True)
            for name in files
        }

    def read(self, key: str) -> bytes:
        """Return a file."""
        return (self.path / key).read_bytes()

    def take(self, key: str, source: Home) -> None:
        """Write a file, as another home has it."""
        if not isinstance(source, Folder):
            self.write(key, source.read(key))
            return
        (self.path / key).parent.mkdir(parents=True, exist_ok=True)
        (self.path / key).unlink(missing_ok=True)
        copy(source.path / key, self.path / key)

    def write(self, key: str, content: bytes) -> None:
        """Write a file."""
        (self.path / key).parent.mkdir(parents=True, exist_ok=True)
        (self.path / key).write_bytes(content)

    def array(self, path: str, mode: Any) -> zarr.Array[Any]:
        """Open an array."""
        return _open(str(self.path / path), "", mode)

    def consolidate(self, path: str) -> None:
        """Write the metadata of all arrays of a group into its own."""
        _consolidate(str(self.path), path)

    def clear(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path)

    @property
    def nbytes(self) -> int:
        """What its files take, in bytes."""
        from lepton_jlab.data.tiers.guarding import disk_bytes

        return disk_bytes(self.path)


class Bucket:
    """A prefix of a bucket.

    Parameters
    ----------
    url
        ``s3://bucket/prefix`` or ``gs://bucket/prefix``.
    moved
        What stayed of the dataset on this machine, if it is known under a name here.
    """

    def __init__(self, url: str, moved: Elsewhere | None = None) -> None:
        from lepton_jlab.data.remote.connect import connect

        self.url = url
        self._moved = moved
        self._client = connect(url, silence=_SILENCE, retries=_RETRIES)
        self._uploads: Any = None

    def __str__(self) -> str:
        return self.url

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yield the metadata documents by path; those on this machine, where there are any."""
        if self._moved is not None:
            yield from Folder(self._moved.folder).documents()
            return
        for key in self.sizes():
            if key.rpartition("/")[2] == "zarr.json":
                yield key.rpartition("/")[0], json.loads(self.read(key))

    def sizes(self) -> dict[str, int]:
        """Return the bytes of all objects by key."""
        import obstore

        if self._moved is not None:
            return self._moved.sizes()
        with self._answered("read"):
            return {
                entry["path"]: entry["size"]
                for batch in obstore.list(self._client)
                for entry in batch
            }

    def read(self, key: str) -> bytes:
        """Return an object."""
        import obstore

        if self._moved is not None and key.rpartition("/")[2] == "zarr.json":
            return (self._moved.folder / key).read_bytes()
        with self._answered("read"):
            return obstore.get(self._client, key).bytes().to_bytes()

    def take(self, key: str, source: Home) -> None:
        """Write an object, as another home has it."""
        self.write(key, source.read(key))

    def write(self, key: str, content: bytes) -> None:
        """Write an object."""
        import obstore

        with self._answered("written"):
            obstore.put(self._client, key, content)

    def array(self, path: str, mode: Any) -> zarr.Array[Any]:
        """Open an array."""
        if self._moved is not None:
            from lepton_jlab.data.remote.moved import MovedStore

            return _open(MovedStore(self._moved, 0), path, mode)
        return _open(self._store(), path, mode)

    def consolidate(self, path: str) -> None:
        """Write the metadata of all arrays of a group into its own."""
        with self._answered("written"):
            _consolidate(self._store(), path)

    def clear(self) -> None:
        """Remove all objects."""
        import obstore

        with self._answered("cleared"):
            for batch in obstore.list(self._client):
                obstore.delete(self._client, [entry["path"] for entry in batch])

    @property
    def nbytes(self) -> int:
        """What its objects take, in bytes."""
        return sum(self.sizes().values()) if self._moved is None else self._moved.nbytes

    def stop(self) -> None:
        """Wait for what Zarr is still writing after an error; more is refused."""
        from zarr.core.sync import sync

        if self._uploads is not None:
            sync(self._uploads.stop())

    def _store(self) -> Any:
        from lepton_jlab.data.remote.uploads import Uploads

        if self._uploads is None:
            self._uploads = Uploads(self._client)
        return self._uploads

    @contextmanager
    def _answered(self, what: str) -> Iterator[None]:
        with answered(self.url, what):
            yield


@contextmanager
def answered(url: str, what: str) -> Iterator[None]:
    """Turn what an object store answers into a sentence."""
    from obstore.exceptions import BaseError

    from lepton_jlab.data.remote.connect import shown
    from lepton_jlab.data.remote.faults import read_fault

    try:
        yield
    except BaseError as error:
        fault = read_fault(error, _SILENCE)
        advice = f" {fault.advice}" if fault.advice else ""
        raise DataError(f"{shown(url)} cannot be {what}: {fault.reason}.{advice}") from error


@contextmanager
def answering(source: Home, target: Home) -> Iterator[None]:
    """Turn what object stores answer to Zarr into a sentence, where one of both is in one."""
    if isinstance(target, Bucket):
        with answered(target.url, "written"):
            yield
    elif isinstance(source, Bucket):
        with answered(source.url, "read"):
            yield
    else:
        yield


def _open(store: Any, path: str, mode: Any) -> zarr.Array[Any]:
    import zarr

    with warnings.catch_warnings():  # on types and codecs that zarr-python alone can read
        warnings.simplefilter("ignore")
        return zarr.open_array(store, path=path, mode=mode)


def _consolidate(store: Any, path: str) -> None:
    import zarr

    with warnings.catch_warnings():  # that it is not in the specification
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(store, path=path or None)
