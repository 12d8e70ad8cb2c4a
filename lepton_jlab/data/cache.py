"""A cache on disk for what was read from remote stores, shared by all processes of a user."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lepton_jlab.data.tiers.score import CACHE_HALF_LIFE, IMPORTANCE, decayed, score

_HEADER = 16  # bytes: mark, checksum, length
_MARK = b"LPC1"
_BLOCK = 4096
_SLOT = 128  # bytes of an entry in its folder
_FOLDER = 4 * _BLOCK  # bytes of a folder with its mark of use, or of the cache with its ledger
_BATCH = 50  # at least this fraction of the limit is made free at a time
_USE = 10.0  # seconds between two marks of use


class Cache:
    """Keeps stored bytes by dataset and key, never more than a number of bytes on disk.

    When it is full, what was kept of other datasets goes, that of the dataset with the lowest score
    first: how often what is kept of it was read, with a half-life of days, times its importance. In
    a simulated laboratory (benchmarks/tiers.py) that serves as much as dropping what was used least
    recently, within a point, and it heeds the importance. Were only what has a lower score to give
    way, it would serve less by a fifth: a new dataset is the one that will be read next.

    Of its own a dataset loses nothing to itself: epochs read every chunk once, so that what was
    read longest ago is needed soonest; what does not fit is not kept. An entry that is not as it
    was written counts as absent.

    Parameters
    ----------
    folder
        Where it lies; made when needed. Processes with the same folder share it.
    limit
        Bytes on disk that it may take, its own folders and ledger included. Each process heeds its
        own limit when it writes.
    importance
        From 0 to 5, of the datasets that are read through this object.
    label
        What people call them.
    """

    def __init__(
        self, folder: Path, limit: int, importance: float = IMPORTANCE, label: str = ""
    ) -> None:
        self.folder = folder
        self.limit = limit
        self._importance = importance
        self._label = label
        self._marked: dict[str, float] = {}
        self._read: Counter[str] = Counter()  # bytes by folder since its last mark
        with suppress(OSError), self._ledger() as ledger:  # another limit may have held before
            self._make_room(ledger, 0, own="")

    def get(self, dataset: str, key: str) -> memoryview | None:
        """Return what was kept, or None."""
        path = self._path(dataset, key)
        try:
            stored = path.read_bytes()
        except OSError:
            return None
        data = memoryview(stored)[_HEADER:]
        if stored[:_HEADER] != _header(data):
            self.forget(dataset, key)
            return None
        self._mark_use(path.parent, _cost(len(stored)))
        return data

    def put(self, dataset: str, key: str, data: memoryview) -> None:
        """Keep `data`, if it fits.

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        path = self._path(dataset, key)
        cost = _cost(_HEADER + data.nbytes)
        with self._ledger() as ledger:
            if path.exists():
                return
            needed = cost + (0 if path.parent.name in ledger else _FOLDER)
            if not self._make_room(ledger, needed, path.parent.name):
                return
            if path.parent.name not in ledger:
                path.parent.mkdir(exist_ok=True)
                self._write_use(path.parent, 1.0)  # it is just being read
                ledger[path.parent.name] = _FOLDER
            with self._incoming.open("wb") as file:
                file.write(_header(data))
                file.write(data)
            self._incoming.replace(path)
            ledger[path.parent.name] += cost

    def forget(self, dataset: str, key: str) -> None:
        """Drop what was kept, if there is anything."""
        path = self._path(dataset, key)
        with suppress(OSError), self._ledger() as ledger:
            ledger[path.parent.name] -= _drop(path)

    def contents(self) -> dict[str, int]:
        """Return the bytes on disk by label; what was kept under none is left out."""
        found: Counter[str] = Counter()
        with suppress(OSError), self._ledger() as ledger:
            for name, size in ledger.items():
                with suppress(OSError, IndexError):
                    found[(self.folder / name / "used").read_text().split(" ", 2)[2]] += size
        return {label: size for label, size in found.items() if label}

    def _path(self, dataset: str, key: str) -> Path:
        return self.folder / _digest(dataset) / _digest(key)

    @property
    def _incoming(self) -> Path:
        return self.folder / "incoming"  # one at a time: who writes holds the lock

    # ---- the score

    def _mark_use(self, folder: Path, size: int) -> None:
        """Count `size` bytes of a dataset as read; written down now and then."""
        now = time.monotonic()
        self._read[folder.name] += size
        if now - self._marked.get(folder.name, -_USE) >= _USE:
            self._marked[folder.name] = now
            with suppress(OSError), self._ledger() as ledger:
                read = self._read.pop(folder.name, 0)
                if kept := ledger.get(folder.name):  # else another process has dropped it
                    self._write_use(folder, self._reads(folder.name)[0] + read / kept)

    def _write_use(self, folder: Path, count: float) -> None:
        (folder / "used").write_text(f"{count:.6g} {self._importance:g} {self._label}")

    def _reads(self, name: str) -> tuple[float, float]:
        """Return how often what is kept of a dataset was read, decayed to now, and when last."""
        mark = self.folder / name / "used"
        try:
            last = mark.stat().st_mtime
            count = float(mark.read_text().partition(" ")[0])
        except (OSError, ValueError):  # of an earlier version, or cut off
            return 0.0, 0.0
        return decayed(count, time.time() - last, CACHE_HALF_LIFE), last

    def _value(self, name: str) -> tuple[float, float]:
        """Return a dataset's score, and when it was used last."""
        count, last = self._reads(name)
        try:
            importance = float((self.folder / name / "used").read_text().split(" ", 2)[1])
        except (OSError, ValueError, IndexError):
            importance = IMPORTANCE
        return score(count, importance), last

    # ---- how the limit holds

    @contextmanager
    def _ledger(self) -> Iterator[dict[str, int]]:
        """Lock the cache, and give the bytes of each dataset, to be changed together with them."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Opened each time: a lock belongs to what was opened, which threads and forks would share.
        with (self.folder / "ledger").open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            ledger = self._read_ledger(file.read())
            file.truncate(0)  # whoever finds it empty knows that a process died here, and counts
            yield ledger
            file.write(json.dumps(ledger).encode())

    def _read_ledger(self, text: bytes) -> dict[str, int]:
        try:
            ledger: dict[str, int] = json.loads(text)
        except ValueError:
            self._incoming.unlink(missing_ok=True)
            return self._count()
        return ledger

    def _count(self) -> dict[str, int]:
        folders = [folder for folder in self.folder.iterdir() if folder.is_dir()]
        return {
            folder.name: _FOLDER + sum(_cost(size) for _, size in _entries(folder))
            for folder in folders
        }

    def _make_room(self, ledger: dict[str, int], needed: int, own: str) -> bool:
        """Drop entries of other datasets until `needed` bytes have room, if that is enough."""
        room = self.limit - _FOLDER - sum(ledger.values())
        if needed <= room:
            return True
        others = sorted((name for name in ledger if name != own), key=self._value)
        if needed > room + sum(ledger[name] for name in others):
            return False
        wanted = max(needed, self.limit // _BATCH)
        for name in others:
            for path, _ in _entries(self.folder / name):
                if room >= wanted:
                    return True
                freed = _drop(path)
                ledger[name] -= freed
                room += freed
            if not any(_entries(self.folder / name)):
                room += self._remove(ledger, name)
        return needed <= room

    def _remove(self, ledger: dict[str, int], name: str) -> int:
        folder = self.folder / name
        with suppress(OSError):
            (folder / "used").unlink(missing_ok=True)
            folder.rmdir()
        return ledger.pop(name)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _header(data: memoryview) -> bytes:
    return _MARK + zlib.crc32(data).to_bytes(4, "little") + data.nbytes.to_bytes(8, "little")


def _cost(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK + _SLOT


def _entries(folder: Path) -> Iterator[tuple[Path, int]]:
    with suppress(FileNotFoundError), os.scandir(folder) as found:
        for entry in found:
            if entry.name != "used":
                yield Path(entry.path), entry.stat().st_size


def _drop(path: Path) -> int:
    """Remove an entry and return the bytes that it took."""
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    return _cost(size)
