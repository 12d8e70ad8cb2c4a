"""What a dataset must be to be moved, by one alone; and what a killed move leaves behind."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from lepton_jlab.config import data_folder, private_folder
from lepton_jlab.data.elsewhere import elsewhere
from lepton_jlab.data.storage.faults import FULL
from lepton_jlab.data.store import is_url, is_zarr, open_node
from lepton_jlab.data.tiers import places
from lepton_jlab.data.tiers.homes import Bucket, Home
from lepton_jlab.data.tiers.prices import Tier, load_tiers
from lepton_jlab.errors import DataError, LeptonError


def movable(path: str | os.PathLike[str]) -> Path:
    """Return where a dataset is that can be moved.

    Raises
    ------
    NotFoundError
        If there is nothing of that name.
    DataError
        If it is a URL, a zip file, or no dataset.
    """
    own = places.identity(path)
    if is_url(own):
        raise DataError(f"{own} is a URL; only datasets in folders are moved between tiers.")
    place = Path(own)
    if os.path.lexists(places.aside(place)) and not os.path.lexists(place):
        with alone(place):
            recover(place)
    if not place.is_dir():
        open_node(own)  # says what is wrong, unless it is a zip file
        raise DataError(f"{own} is a zip file; only folders are moved between tiers.")
    if not is_zarr(place):
        open_node(own)
    return place


def known_path(path: str | os.PathLike[str]) -> str:
    """Return the one name of a dataset that is there, or of a URL.

    Raises
    ------
    NotFoundError
        If there is nothing of that name.
    DataError
        If it is a zip file, or no dataset.
    """
    own = places.identity(path)
    return own if is_url(own) else str(movable(own))


@contextlib.contextmanager
def alone(own: Path) -> Iterator[None]:
    """Hold the dataset against other moves of this user, until this ends or the process is gone."""
    name = hashlib.sha256(os.fsencode(own)).hexdigest()[:16]
    lock = private_folder(data_folder() / "moves") / name
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"{own} is being moved already; wait until that has ended.") from error
        yield


@contextlib.contextmanager
def told(own: Path, target: Tier) -> Iterator[None]:
    """Say what happened to the dataset when the system refuses something."""
    where = target.url or target.folder or own.parent
    try:
        yield
    except (OSError, DataError) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__
        if cause is None:
            raise
        if cause.errno in FULL:
            raise DataError(
                f"There is no room in {where} for the {target.name} copy of {own.name}. Nothing "
                "was changed; make room, or give the tier another folder."
            ) from error
        raise DataError(f"{own} cannot be moved: {cause}. Nothing was changed.") from error


def check_versions(own: Path, source: Home, target: Tier) -> None:
    """Refuse to part a dataset from its versions, which are found beside its folder.

    Raises
    ------
    DataError
        If it has versions, and the tier lies elsewhere.
    """
    folder = own.resolve()
    versions = folder.parent / ".lepton" / "versions" / folder.name
    if not is_home(source, own, target) and versions.is_dir() and any(versions.iterdir()):
        raise DataError(
            f"{own.name} has versions, which stay in {folder.parent} and would not be found from "
            f"where the {target.name} tier is. Drop them first: %lepton data versions {own}"
        )


def state_of(folder: Path) -> str:
    """Return a digest of the names, sizes and times of change of all files."""
    digest = hashlib.sha256()
    for found in sorted(_files(folder)):
        digest.update(repr(found).encode())
    return digest.hexdigest()


def check_state(own: Path, source: Path, state: str) -> None:
    """Refuse to replace what was changed since it had that state.

    Raises
    ------
    DataError
        If it was changed.
    """
    if state_of(source) != state:
        raise DataError(
            f"{own} was changed while it was moved. It stays as it is; move it again when nobody "
            "writes to it."
        )


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    for place, _, files in os.walk(folder):
        for name in files:
            status = Path(place, name).lstat()
            yield f"{place}/{name}", status.st_size, status.st_mtime_ns


def recover(own: Path) -> None:
    """Clear up after a move that was killed; called by whoever holds the lock of the dataset."""
    if os.path.lexists(places.aside(own)) and not os.path.lexists(own):
        places.aside(own).rename(own)
    for left in (places.moving(own), places.aside(own)):
        if os.path.lexists(left):
            discard(own, left)


def disk_bytes(folder: Path) -> int:
    """Return the size of all files below a folder, in bytes."""
    return sum(size for _, size, _ in _files(folder))


def discard(own: Path, found: Path) -> None:
    """Remove a dataset, or a link and the dataset that it leads to, which is not `own`'s.

    Raises
    ------
    DataError
        If its objects cannot be removed from their bucket; then all of it stays.
    """
    if found.is_symlink():
        behind = found.parent / found.readlink()
        if is_zarr(behind) and not _same_place(behind, own):
            shutil.rmtree(behind)
        found.unlink()
    elif found.is_dir():
        moved, kept = elsewhere(found), elsewhere(own)
        if moved is not None and (kept is None or kept.url != moved.url):
            _forget_upload(own, moved.url)
            Bucket(moved.url).clear()
        shutil.rmtree(found)


def new_home(own: Path, target: Tier) -> Path:
    """Return where the new one is written: beside the old one, or a free name in the folder."""
    taken = [place for place in (own, places.before(own)) if os.path.lexists(place)]
    for home in places.homes(own, target):
        if not any(_same_place(home, place) for place in taken):
            return home
    return places.moving(own)


def clear_homes(own: Path, but: Path | str | None = None) -> None:
    """Remove what killed moves left in the places of tiers, `but` for what may be gone on with.

    What an object store does not let go now is tried again by the next move.
    """
    if (url := upload_of(own)) and url != but:
        with contextlib.suppress(LeptonError):
            Bucket(url).clear()
            _forget_upload(own, url)
    taken = [place for place in (own, places.before(own)) if os.path.lexists(place)]
    for tier in load_tiers().tiers.values():
        for home in [*places.homes(own, tier), places.moving(own)]:
            partial = home.with_name(f".{home.name}.partial")
            for left in (home, partial):
                used = any(_same_place(left, place) for place in taken)
                if left.is_dir() and not used and not (left == partial and home == but):
                    shutil.rmtree(left, ignore_errors=True)


def _same_place(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def is_home(source: Home, own: Path, target: Tier) -> bool:
    """Whether a dataset lies where its tier has its datasets."""
    if isinstance(source, Bucket):
        return source.url.rpartition("/")[0] == target.url
    place = own.parent if target.folder is None else target.folder.resolve()
    return not target.url and own.resolve().parent == place


def upload_of(own: Path) -> str:
    """Return the URL to which a dataset is being moved, or was when it was cut off; else ""."""
    try:
        return places.uploading(own).read_text()
    except FileNotFoundError:
        return ""


def _forget_upload(own: Path, url: str) -> None:
    """Remove what is known of a move to `url`, before its objects or after them."""
    if upload_of(own) == url:
        shutil.rmtree(upload_folder(own), ignore_errors=True)
        places.uploading(own).unlink()


def upload_folder(own: Path) -> Path:
    """Return the folder of the journal of a move to an object store."""
    return own.with_name(f"{places.uploading(own).name}.partial")
