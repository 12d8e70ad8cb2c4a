"""Where a dataset's shared chunks and versions lie: a hidden folder beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lepton_jlab.data.elsewhere import elsewhere
from lepton_jlab.data.repository import is_repository, names
from lepton_jlab.data.store import address, is_url, is_zarr, open_node
from lepton_jlab.errors import DataError, NotFoundError, UsageError, suggestion

STORE = ".lepton"


@dataclass(frozen=True, slots=True)
class Place:
    """A dataset on this machine and the store beside it.

    Attributes
    ----------
    dataset
        The folder of the dataset, symbolic links followed.
    store
        ``.lepton`` in the same folder: chunks that are shared, versions, what is under way.
    """

    dataset: Path
    store: Path

    @property
    def versions(self) -> Path:
        """The folder of this dataset's versions."""
        return self.store / "versions" / self.dataset.name

    def version(self, name: str) -> Path:
        """Return the folder of one version: a Zarr dataset, and beside it what is known of it."""
        return self.versions / check_name(name)


def place_of(path: str | os.PathLike[str]) -> Place:
    """Find the dataset at `path`, and where its versions are.

    Raises
    ------
    NotFoundError
        If there is nothing of that name.
    DataError
        If it is not a dataset in a folder of this machine, or is only a part of one.
    """
    where = address(path)
    if is_url(where) or Path(where).is_file():
        raise DataError(
            f"{where} is not a folder of this machine, where chunks can be shared and versions "
            "kept. Import it into a folder first, or see Icechunk for versions in object stores."
        )
    folder = Path(where).resolve()
    if is_repository(folder):
        raise DataError(
            f"{folder} is an Icechunk repository, which keeps its own versions: "
            f"{', '.join(names(str(folder)))}. Open one: open_dataset(path, version=NAME); make "
            "them with Icechunk."
        )
    if not folder.is_dir() or not is_zarr(folder):
        open_node(where)  # which says what is wrong
    whole = whole_of(folder)
    if whole != folder:
        raise DataError(f"{folder} is a part of {whole}; versions are of the whole dataset.")
    if moved := elsewhere(folder):
        raise DataError(
            f"The chunks of {folder.name} are in {moved.url}, where none are shared and no "
            f"versions kept. Bring them here first: %lepton data tier {folder.name} --policy warm"
        )
    return Place(folder, folder.parent / STORE)


def version_folder(path: str | os.PathLike[str], version: str) -> str:
    """Return the folder that holds `version` of the dataset, or the part of one, at `path`.

    It is a Zarr dataset like any other, but read only.

    Raises
    ------
    NotFoundError
        If the dataset has no such version.
    DataError
        If it is not a folder of this machine.
    """
    where = address(path)
    if is_url(where):
        raise DataError(f"{where} is a URL; versions are kept of datasets in folders.")
    part = Path(where).resolve()
    whole = whole_of(part)
    place = Place(whole, whole.parent / STORE)
    folder = find_version(place, version) / whole.name / part.relative_to(whole)
    return str(folder)


def find_version(place: Place, name: str) -> Path:
    """Return the folder of a version that is there.

    Raises
    ------
    NotFoundError
        If it is not.
    """
    folder = place.version(name)
    if not folder.is_dir():
        known = version_names(place)
        there = f" There are: {', '.join(known)}." if known else " It has none yet."
        near = suggestion(name, known) or there
        make = f" Make one: %lepton data snapshot {place.dataset.name} {name}" * (not known)
        raise NotFoundError(f"{place.dataset.name} has no version {name!r}.{near}{make}")
    return folder


def version_names(place: Place) -> list[str]:
    """Return the names of the versions, sorted."""
    try:
        return sorted(entry.name for entry in place.versions.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return []


def check_name(name: str) -> str:
    """Refuse what cannot be the name of a version."""
    if not name or name.startswith((".", "-")) or set(name) & set('/\\\0\n\t:*?"<>|'):
        raise UsageError(f"{name!r} cannot be the name of a version; take letters, digits, - . _")
    if len(name.encode()) > 200:
        raise UsageError(f"{name[:20]}… is too long for the name of a version.")
    return name


def whole_of(folder: Path) -> Path:
    """Return the outermost dataset that `folder` is in."""
    whole = folder
    for parent in folder.parents:
        if is_zarr(parent):
            whole = parent
        elif whole != folder:
            break
    return whole
