"""Folders for what is under way, one a process; those of processes that died are cleared."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_HELD = ".held"


@contextmanager
def locked(store: Path, exclusive: bool = False) -> Iterator[None]:
    """Hold the lock of a store: shared by all who link, alone for who collects.

    It lasts for some microseconds at a time, and ends with the process. On file systems without
    locks it is not there; what two may then lose of each other is space, never bytes.
    """
    # Opened each time: a lock belongs to what was opened, which threads and forks would share.
    file = os.open(store / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(file)


class Workspace:
    """A folder of a store for files on their way, removed at the end or, if killed, by collection.

    Attributes
    ----------
    folder
        On the same file system as the store.
    owner
        The process that made it; a fork of it removes nothing.
    """

    def __init__(self, store: Path) -> None:
        store.mkdir(exist_ok=True)
        self.folder = store / "incoming" / uuid.uuid4().hex
        self.owner = os.getpid()
        self._numbers = itertools.count()
        with locked(store):  # so that nobody takes it for left behind before it is held
            self.folder.mkdir(parents=True)
            self._held = os.open(self.folder / _HELD, os.O_RDWR | os.O_CREAT, 0o644)
            with suppress(OSError):
                fcntl.flock(self._held, fcntl.LOCK_EX)

    def name(self) -> Path:
        """Return a path for a new file, used by nobody else."""
        return self.folder / f"{os.getpid()}-{next(self._numbers)}"

    def close(self) -> None:
        """Remove the folder."""
        if self._held >= 0 and self.owner == os.getpid():
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._held)
            self._held = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def clear_abandoned(store: Path) -> int:
    """Remove the workspaces of processes that are gone; return how many.

    Who calls it holds the lock of the store alone.
    """
    cleared = 0
    incoming = store / "incoming"
    for folder in list(incoming.iterdir()) if incoming.is_dir() else []:
        try:
            file = os.open(folder / _HELD, os.O_RDWR)
        except FileNotFoundError:
            shutil.rmtree(folder, ignore_errors=True)
            cleared += 1
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            cleared += 1
        except OSError:  # held: somebody works in it (or there are no locks, and it stays)
            continue
        finally:
            os.close(file)
    with suppress(OSError):
        incoming.rmdir()
    return cleared
