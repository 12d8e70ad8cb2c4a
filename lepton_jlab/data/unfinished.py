"""A dataset while it is being written: a hidden folder that one writer holds, and can take up."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lepton_jlab.data.store import is_url, is_zarr
from lepton_jlab.errors import DataError

JOURNAL = ".lepton-import"
BOOT = Path("/proc/sys/kernel/random/boot_id")  # what was not on disk when the power failed is lost


class Unfinished:
    """The folder to write into, and what is noted about it.

    Attributes
    ----------
    folder
        Where to write.
    resumed
        Whether it goes on from where a killed import of the same stopped.
    """

    def __init__(self, folder: Path, journal: int, key: Mapping[str, Any]) -> None:
        self.folder = folder
        self._journal = journal
        self._header = {"key": json.loads(json.dumps(key)), "boot": _boot()}
        self._done: dict[str, set[int]] = {}
        lines = _lines(journal)
        self.resumed = bool(lines) and lines[0] == self._header
        if self.resumed:
            for line in lines[1:]:
                self._done.setdefault(line["array"], set()).add(line["start"])
            for torn in folder.rglob("*.partial"):  # what Zarr was writing when it was killed
                torn.unlink()
        else:
            os.ftruncate(journal, 0)
            _clear(folder, but=JOURNAL)

    def begin(self) -> None:
        """Note that the metadata of all arrays are written: from here on it can be resumed."""
        self._note(self._header)

    def is_done(self, array: str, start: int) -> bool:
        """Whether the block of `array` that begins with sample `start` was written."""
        return start in self._done.get(array, ())

    def done(self, array: str, start: int) -> None:
        """Note that a block is written."""
        self._note({"array": array, "start": start})

    def _note(self, what: Mapping[str, Any]) -> None:
        os.write(self._journal, (json.dumps(what) + "\n").encode())


@contextlib.contextmanager
def unfinished(
    destination: Path, force: bool, key: Mapping[str, Any], keep: bool = False
) -> Iterator[Unfinished]:
    """Give a folder to write into; it becomes `destination` at the end.

    When the process is killed the folder stays, and the next that comes with the same `key` goes
    on in it; one with another key clears it. After an error or Ctrl-C it goes away.

    Parameters
    ----------
    destination
        The name that the folder gets.
    force
        Replace a dataset of that name.
    key
        What is written and how, JSON-ready.
    keep
        Keep what is written after an error too (but not after Ctrl-C).

    Raises
    ------
    DataError
        If `destination` is there and `force` is not given, or it is no Zarr dataset; if another
        process is writing to the same name.
    """
    check_destination(destination, force)
    aside = destination.with_name(f".{destination.name}.replaced")
    partial = destination.with_name(f".{destination.name}.partial")
    journal = hold(partial, destination)
    try:
        _restore(aside, destination)
        check_destination(destination, force)
        yield Unfinished(partial, journal, key)
        check_destination(destination, force)  # it may have come into being meanwhile
        (partial / JOURNAL).unlink()
        _rename(partial, destination, aside)
    except BaseException as error:  # Ctrl-C too
        if not (keep and isinstance(error, Exception)):
            shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        os.close(journal)


def check_destination(destination: Path, force: bool) -> None:
    """Refuse a place that cannot be written, or holds what must not be overwritten."""
    if is_url(str(destination)) or destination.name in ("", "..") or destination.suffix == ".zip":
        raise DataError(f"{destination} cannot be written: give a local folder, as fashion.zarr.")
    if not destination.parent.is_dir():
        raise DataError(f"The folder {destination.parent} does not exist; make it first.")
    if not os.path.lexists(destination):
        return
    if not force:
        error = DataError(f"{destination} exists already. Replace it with --force (force=True).")
        raise error.unless_forced() if is_zarr(destination) else error
    if not is_zarr(destination):
        raise DataError(f"{destination} is not a Zarr dataset; --force does not replace it.")


def hold(partial: Path, destination: Path) -> int:
    """Make the folder and lock its journal, until that is closed or the process is gone.

    Returns
    -------
    int
        The open file of the journal.

    Raises
    ------
    DataError
        If another process holds it, or the folder cannot be made.
    """
    while True:
        try:
            partial.mkdir(exist_ok=True)
            journal = os.open(partial / JOURNAL, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except FileNotFoundError:  # its writer finished just now
            continue
        except OSError as error:
            raise DataError(f"{destination.parent} cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                os.close(journal)
                raise DataError(
                    f"Another import is writing {destination.name} now. Wait for it, stop it, or "
                    "choose another name."
                ) from None
            # Some network file systems have no locks. One writer at a time is all they get.
        try:
            if os.path.samestat(os.fstat(journal), (partial / JOURNAL).stat()):
                return journal
        except FileNotFoundError:
            pass
        os.close(journal)  # what was locked is no longer the folder of that name


def _boot() -> str:
    try:
        return BOOT.read_text().strip()
    except OSError:
        return ""


def _lines(journal: int) -> list[dict[str, Any]]:
    """Return what the journal says; a last line that was cut off says nothing."""
    lines: list[dict[str, Any]] = []
    with open(journal, "rb", closefd=False) as file:
        for line in file:
            try:
                lines.append(json.loads(line))
            except ValueError:
                break
    return lines


def _clear(folder: Path, but: str) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != but:
            entry.unlink()


def _rename(partial: Path, destination: Path, aside: Path) -> None:
    if not os.path.lexists(destination):
        partial.rename(destination)
        return
    destination.rename(aside)
    try:
        partial.rename(destination)
    except BaseException:
        aside.rename(destination)
        raise
    _remove(aside)


def _restore(aside: Path, destination: Path) -> None:
    """Put back, or remove, the replaced dataset of a writer killed while it renamed."""
    if os.path.lexists(aside):
        if os.path.lexists(destination):
            _remove(aside)
        else:
            aside.rename(destination)


def _remove(dataset: Path) -> None:
    if dataset.is_symlink():
        dataset.unlink()
    else:
        shutil.rmtree(dataset)
