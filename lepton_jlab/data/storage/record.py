"""What a version consists of: the SHA-256 of each of its files, and when it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lepton_jlab.data.parallel import Progress, silent
from lepton_jlab.data.storage.blobs import Blobs, digest_of, identity, sealed
from lepton_jlab.data.storage.files import files_of
from lepton_jlab.data.storage.place import Place, find_version, version_names
from lepton_jlab.data.storage.working import by_threads
from lepton_jlab.errors import DataError, NotFoundError

RECORD = "version.json"


@dataclass(frozen=True, slots=True)
class Record:
    """A version, as ``version.json`` beside its files says.

    Attributes
    ----------
    name
        Of the version.
    created
        When, in ISO 8601, UTC.
    private
        Whether the dataset had files of its own, instead of links to the same.
    files
        SHA-256 in hexadecimal by key, documents included.
    note
        What was done instead of links, or "".
    """

    name: str
    created: str
    private: bool
    files: Mapping[str, str]
    note: str = ""

    def write(self, folder: Path) -> None:
        """Write the record into the folder of a version."""
        (folder / RECORD).write_text(json.dumps(asdict(self), indent=0))


def read_record(place: Place, name: str) -> Record:
    """Return what is known of a version.

    Raises
    ------
    NotFoundError
        If there is no such version.
    DataError
        If its record is damaged.
    """
    file = find_version(place, name) / RECORD
    try:
        return Record(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        find_version(place, name)  # which says so if it was dropped just now
        raise DataError(
            f"The record of version {name!r} is damaged ({file}): {error}. Its data can be opened "
            f"as they are, in {file.parent / place.dataset.name}; or drop it."
        ) from error


def records(place: Place) -> list[Record]:
    """Return all versions of a dataset, oldest first."""
    found = []
    for name in version_names(place):
        with suppress(NotFoundError):  # dropped just now
            found.append(read_record(place, name))
    return sorted(found, key=lambda record: (record.created, record.name))


def digests(
    place: Place, folder: Path | None = None, progress: Progress = silent
) -> dict[str, str]:
    """Return the SHA-256 of each file of a dataset as it is now, by key.

    A shared chunk that is under seal is not read.
    """
    folder = folder or place.dataset
    known = Blobs(place.store).by_identity()

    def one(entry: tuple[str, Path]) -> tuple[str, str]:
        key, file = entry
        status = file.stat()
        shared = known.get(identity(status))
        is_known = shared is not None and sealed(status, shared)
        return key, shared if shared is not None and is_known else digest_of(file)

    entries = [(key, Path(e.path)) for key, e in files_of(folder)]
    return dict(by_threads(one, entries, progress, f"looking at {place.dataset.name}"))
