"""Checks every chunk of a dataset and of its versions, and repairs what a copy still has."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from lepton_jlab.data.elsewhere import find_elsewhere
from lepton_jlab.data.storage.blobs import Blobs, Identity, digest_of, identity
from lepton_jlab.data.storage.checking import ArrayCheck
from lepton_jlab.data.storage.findings import ArrayReport, Finding, Verification
from lepton_jlab.data.storage.place import STORE, Place, find_version, version_names, whole_of
from lepton_jlab.data.storage.record import RECORD, Record, read_record
from lepton_jlab.data.storage.twins import find_twins
from lepton_jlab.data.store import Node, address, is_url, is_zarr, open_node
from lepton_jlab.data.stream.fetching import fetcher
from lepton_jlab.errors import DataError
from lepton_jlab.granted import granted

Progress = Callable[[int, int, str], None]

_AHEAD = 64  # files that are handed to threads before the first is done
_WAYS_TO_WRITE_ALL = {"import"}  # actions of Lepton that leave no chunk out


def verify(
    path: str | os.PathLike[str],
    *,
    repair_from: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Read and decode every chunk, those inside shards too; compare shared ones with their SHA-256.

    How sure the result is depends on the codecs of an array: see `ArrayReport.means`. A file that
    is missing is damage in an array that Lepton imported, which writes all of them, and in a
    version, which knows its files; elsewhere it stands for the fill value and is counted as absent.

    Parameters
    ----------
    path
        The dataset; a URL or a zip file too, which cannot be repaired.
    repair_from
        Name of a version, or a copy of the dataset: a path or URL. Files that are broken or missing
        are taken from there, after they were checked, and put in place in one step; the others
        are not touched. Versions get nothing but exactly what they had. A chunk that another
        program overwrote, and that its checksum vouches for, stays in the dataset as it is.
    progress
        Called with (files done, files in all, what is being done).

    Raises
    ------
    NotFoundError
        If there is no such dataset, version or copy.
    DataError
        If the dataset cannot be opened, or not be written.
    """
    where = address(path)
    node = open_node(where, 0)  # no copies: it is about the chunks themselves
    report = progress or _silent
    local = None
    if not is_url(where) and Path(where).is_dir() and not find_elsewhere(Path(where)):
        local = Path(where).resolve()
    result = Verification(where)
    checks = list(_checks(node))
    shared: Mapping[Identity, str] = {}
    kept: list[Record] = []
    place = None
    if local is not None:
        whole = whole_of(local)
        place = Place(whole, whole.parent / STORE)
        shared = Blobs(place.store).by_identity()
        kept = _records(place, result) if whole == local else []
    total = sum(check.count for check in checks) + sum(len(r.files) for r in kept)
    sums = _Sums(shared)
    jobs = [*_array_jobs(result, checks, local, sums)]
    if place is not None:
        jobs += _version_jobs(result, place, kept, sums)
    for done, finding in enumerate(_in_parallel(jobs), 1):
        if finding is not None:
            result.findings.append(finding)
        if done % 16 == 0 or done == total:
            report(done, total, "checking")
    if place is not None:
        find_twins(place, result.findings)
    if repair_from is not None and result.findings:
        from lepton_jlab.data.storage.repairing import repair

        last = max(kept, key=lambda record: record.created, default=None)
        repair(result.findings, repair_from, checks, place, local, last)
    return result


def _silent(_done: int, _total: int, _text: str) -> None:
    """Report to nobody."""


class _Sums:
    """The SHA-256 of files, of each inode once."""

    def __init__(self, shared: Mapping[Identity, str]) -> None:
        self.shared = shared
        self.lock = threading.Lock()  # for what threads count
        self._known: dict[Identity, str] = {}

    def of(self, file: Path, status: os.stat_result) -> str:
        this = identity(status)
        if this not in self._known:
            self._known[this] = digest_of(file)
        return self._known[this]


_Job = Callable[[], Finding | None]


def _in_parallel(jobs: Iterable[_Job]) -> Iterator[Finding | None]:
    waiting: deque[Future[Finding | None]] = deque()
    with ThreadPoolExecutor(granted().threads, "lepton-verify") as pool:
        for job in jobs:
            waiting.append(pool.submit(job))
            if len(waiting) >= _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


# ---- the dataset


def _checks(node: Node, path: str = "", is_complete: bool = False) -> Iterator[ArrayCheck]:
    """Yield a check of each array of a node."""
    if not hasattr(node, "arrays"):
        yield ArrayCheck(path, node, is_complete)
        return
    schema = node.attrs.asdict().get("lepton")
    if isinstance(schema, dict) and "history" in schema:
        actions = {entry.get("action") for entry in schema["history"] if isinstance(entry, dict)}
        is_complete = bool(actions & _WAYS_TO_WRITE_ALL)
    prefix = f"{path}/" if path else ""
    for name, array in sorted(node.arrays()):
        yield ArrayCheck(prefix + name, array, is_complete)
    for name, group in sorted(node.groups()):
        yield from _checks(group, prefix + name, is_complete)


def _array_jobs(
    result: Verification, checks: list[ArrayCheck], local: Path | None, sums: _Sums
) -> Iterator[_Job]:
    for check in checks:
        report = ArrayReport(check.path, check.means, check.count)
        result.arrays.append(report)
        if local is None:
            look = _look_afar(check, report, sums)
        else:
            look = _look_here(check, report, local / check.path, sums)
        for key, grid in check.files():
            yield _bind(look, key, grid)


_Look = Callable[[str, tuple[int, ...]], Finding | None]


def _bind(look: _Look, key: str, grid: tuple[int, ...]) -> _Job:
    return lambda: look(key, grid)


def _look_here(check: ArrayCheck, report: ArrayReport, folder: Path, sums: _Sums) -> _Look:
    """Return what checks a file of a folder."""

    def look(key: str, grid: tuple[int, ...]) -> Finding | None:
        file = folder / key
        try:
            status = file.stat()
        except (FileNotFoundError, NotADirectoryError):
            return _absent(check, report, sums, key, grid, str(file))
        expected = sums.shared.get(identity(status))
        problem = check.problem(grid)
        if expected is not None:
            with sums.lock:
                report.compared += 1
        if problem is not None:
            return _finding(check, key, problem[0], str(file), problem[1], expected)
        if expected is not None and sums.of(file, status) != expected:
            finding = _finding(check, key, _chunk(grid), str(file), _OVERWRITTEN, expected)
            finding.kind = "overwritten"
            return finding
        return None

    return look


def _look_afar(check: ArrayCheck, report: ArrayReport, sums: _Sums) -> _Look:
    """Return what checks an object behind a URL, or an entry of a zip file."""
    source = fetcher(check.array)

    def look(key: str, grid: tuple[int, ...]) -> Finding | None:
        if check.is_complete and not check.exists(key):
            return _absent(check, report, sums, key, grid, source.address(key))
        problem = check.problem(grid)
        if problem is None:
            return None
        return _finding(check, key, problem[0], source.address(key), problem[1], None)

    return look


_OVERWRITTEN = "another program wrote into it after it was shared; it can be read"


def _absent(
    check: ArrayCheck,
    report: ArrayReport,
    sums: _Sums,
    key: str,
    grid: tuple[int, ...],
    path: str,
) -> Finding | None:
    if not check.is_complete:
        with sums.lock:
            report.absent += 1
        return None
    problem = "the file is missing; readers take it for the fill value"
    finding = _finding(check, key, _chunk(grid), path, problem, None)
    finding.kind = "missing"
    return finding


def _finding(
    check: ArrayCheck, key: str, chunk: str, path: str, problem: str, expected: str | None
) -> Finding:
    key = check.key(key)
    return Finding(None, check.path, chunk, key, path, "broken", problem, expected)


def _chunk(grid: tuple[int, ...]) -> str:
    return "/".join(map(str, grid))


# ---- its versions


def _records(place: Place, result: Verification) -> list[Record]:
    kept = []
    for name in version_names(place):
        try:
            kept.append(read_record(place, name))
        except DataError as error:
            file = str(find_version(place, name) / RECORD)
            result.findings.append(Finding(name, "", RECORD, RECORD, file, "broken", str(error)))
    return kept


def _version_jobs(
    result: Verification, place: Place, kept: list[Record], sums: _Sums
) -> Iterator[_Job]:
    for record in kept:
        result.versions[record.name] = len(record.files)
        folder = find_version(place, record.name) / place.dataset.name
        for key, digest in record.files.items():
            yield _compared(record.name, folder, key, digest, sums)


def _compared(version: str, folder: Path, key: str, digest: str, sums: _Sums) -> _Job:
    def look() -> Finding | None:
        file = folder / key
        array, chunk = _array_of(folder, key)
        try:
            if sums.of(file, file.stat()) == digest:
                return None
        except (FileNotFoundError, NotADirectoryError):
            problem = "the file is missing"
            return Finding(version, array, chunk, key, str(file), "missing", problem, digest)
        except OSError as error:
            problem = str(error)
            return Finding(version, array, chunk, key, str(file), "broken", problem, digest)
        problem = "its bytes are not those of the version"
        return Finding(version, array, chunk, key, str(file), "broken", problem, digest)

    return look


def _array_of(folder: Path, key: str) -> tuple[str, str]:
    """Return which array a file is of, and which chunk."""
    path = Path(key)
    for parent in path.parents:
        if is_zarr(folder / parent):
            chunk = path.relative_to(parent).as_posix()
            return "" if parent == Path() else parent.as_posix(), chunk.removeprefix("c/")
    return "", key
