"""Where models are kept: ``models/NAME/VERSION``, each version a folder that appears at once."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lepton_jlab.config import data_folder, private_folder
from lepton_jlab.errors import LeptonError, NotFoundError, UsageError, suggestion

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
AT_WORK = ".at-work-"  # beginnings of names of what is under way, or on its way out
_LAST = "last"  # the greatest number given so far, so that none is given twice


def root() -> Path:
    """Return the folder of all models."""
    return private_folder(data_folder() / "models")


def check_name(name: str) -> str:
    """Return `name` if a model may be called so.

    Raises
    ------
    UsageError
        If it may not: names stand in addresses and before a colon.
    """
    if not _NAME.fullmatch(name) or len(name) > 100:
        raise UsageError(
            f"A model cannot be called {name!r}. Take letters, digits, '.', '_' and '-', and begin "
            "with a letter or a digit: fashion-cnn."
        )
    return name


def split_name(text: str) -> tuple[str, int | None]:
    """Read ``NAME`` or ``NAME:VERSION``.

    >>> split_name("fashion:3"), split_name("fashion")
    (('fashion', 3), ('fashion', None))
    """
    name, colon, number = text.partition(":")
    if not colon:
        return name, None
    number = number.removeprefix("v")
    if not number.isdecimal() or int(number) < 1:
        raise UsageError(f"{text!r} names no version. Write it as {name or 'NAME'}:3.")
    return name, int(number)


def names() -> list[str]:
    """Return the names of all models that have a version."""
    try:
        found = sorted(entry.name for entry in os.scandir(root()) if entry.name[0] != ".")
    except FileNotFoundError:
        return []
    return [name for name in found if numbers(name)]


def numbers(name: str) -> list[int]:
    """Return the versions of a model, ascending; none if there is no such model."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found = (entry.name for entry in os.scandir(root() / name))
        return sorted(int(text) for text in found if text.isdecimal())
    return []


def existing(name: str) -> Path:
    """Return the folder of a model.

    Raises
    ------
    NotFoundError
        If there is none of that name.
    """
    if _NAME.fullmatch(name) and numbers(name):
        return root() / name
    known = names()
    there = f" There are: {', '.join(known)}." if known else " None is saved yet."
    near = suggestion(name, known) or there
    raise NotFoundError(f"No model named {name!r}.{near} Save one: %lepton model save RUN --name N")


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Let one process at a time change what is in `folder`; a killed one lets go."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a network file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Adding:
    """A version that is being written, in a hidden folder until `publish`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name

    def publish(self) -> int:
        """Give it the next number, and its place, in one step."""
        sync(self.folder)
        home = private_folder(root() / self.name)
        with holding(home):
            if not home.is_dir():  # dropped while we waited
                private_folder(home)
            last = home / _LAST
            before = int(last.read_text()) if last.exists() else 0
            number = max([before, *numbers(self.name)]) + 1
            write_text(last, f"{number}\n")
            self.folder.rename(home / str(number))
        return number


@contextlib.contextmanager
def adding(name: str) -> Iterator[Adding]:
    """Give a folder to write a new version of `name` into; what is not published goes away."""
    check_name(name)
    with working() as folder:
        try:
            yield Adding(folder, name)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise LeptonError(
                    f"The disk with {root()} is full; nothing of {name!r} was saved. Make room, or "
                    "drop versions: %lepton model drop NAME:VERSION"
                ) from error
            raise


@contextlib.contextmanager
def working() -> Iterator[Path]:
    """Give a folder to work in, which goes away; after a kill it does so at the next work."""
    collect()
    while True:
        folder = Path(tempfile.mkdtemp(prefix=AT_WORK, dir=root()))
        try:
            held = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # collected before it was held
            continue
        with contextlib.suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
        if folder.is_dir():
            break
        os.close(held)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def collect() -> None:
    """Remove what killed processes left half written."""
    for entry in root().glob(f"{AT_WORK}*"):
        with contextlib.suppress(OSError):
            held = os.open(entry, os.O_RDONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(entry, ignore_errors=True)
            finally:
                os.close(held)


def write_text(path: Path, text: str) -> None:
    """Write a small file so that readers find the old one or the new one, whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


def sync(folder: Path) -> None:
    """Have everything in `folder` on the disk before it gets its name."""
    for where, _, files in os.walk(folder):
        for name in (*files, ""):
            descriptor = os.open(Path(where, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def size_of(folder: Path) -> int:
    """Return the bytes of all files in `folder`."""
    return sum(
        Path(where, file).stat().st_size for where, _, files in os.walk(folder) for file in files
    )
