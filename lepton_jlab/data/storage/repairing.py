"""Puts files in the place of broken or missing ones, from a version or another copy."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lepton_jlab.data.storage.blobs import Blobs, digest_of
from lepton_jlab.data.storage.checking import ArrayCheck
from lepton_jlab.data.storage.cloning import copy
from lepton_jlab.data.storage.faults import CANNOT_LINK, explained
from lepton_jlab.data.storage.files import is_document
from lepton_jlab.data.storage.findings import Finding
from lepton_jlab.data.storage.place import Place, find_version, version_names
from lepton_jlab.data.storage.protection import keeps_private
from lepton_jlab.data.storage.record import RECORD, Record
from lepton_jlab.data.storage.workspace import Workspace
from lepton_jlab.data.store import address, open_node
from lepton_jlab.errors import DataError

_SAME = ("shape", "data_type", "chunk_grid", "codecs", "chunk_key_encoding", "fill_value")
_SAME_V2 = ("shape", "dtype", "chunks", "compressor", "filters", "order", "fill_value")


def repair(
    findings: Sequence[Finding],
    source: str | os.PathLike[str],
    checks: Sequence[ArrayCheck],
    place: Place | None,
    local: Path | None,
    last: Record | None,
) -> None:
    """Repair what was found, and note in each finding what was done.

    Parameters
    ----------
    findings
        Of a dataset in a folder and its versions.
    source
        The name of a version, or the address of a copy.
    checks
        Of the arrays of the dataset.
    place, local
        Where the dataset is; None where it is not in a folder.
    last
        Its newest version, if it has any.

    Raises
    ------
    NotFoundError
        If there is no such version or copy.
    DataError
        If it is not in a folder, or files cannot be written; what was repaired by then stays so.
    """
    if place is None or local is None:
        raise DataError("Only a dataset in a folder of this machine is repaired; copy it first.")
    copy_of = _Source(source, place, local)
    arrays = {check.path: check for check in checks}
    doing, kept = f"The repair of {local.name}", "what was repaired stays so"
    with explained(doing, local.parent, kept), Workspace(place.store) as work:
        private = keeps_private(place, work.folder, last)
        mend = _Mending(copy_of, arrays, Blobs(place.store), work, private)
        # Those that stay as they are get files of their own before the shared ones are replaced.
        for finding in sorted(findings, key=lambda one: one.kind != "overwritten"):
            mend(finding)


class _Source:
    """Where good files come from."""

    def __init__(self, source: str | os.PathLike[str], place: Place, local: Path) -> None:
        self.name = os.fspath(source)
        if self.name in version_names(place):
            folder = find_version(place, self.name) / place.dataset.name
            where = str(folder / local.relative_to(place.dataset))
        else:
            where = address(source)
        self._node = open_node(where, 0)

    def read(self, key: str) -> bytes | None:
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        where = self._node.store_path / key
        buffer = sync(where.get(prototype=default_buffer_prototype()))
        return None if buffer is None else buffer.to_bytes()

    def refusal(self, check: ArrayCheck, key: str) -> str:
        """Return why a chunk cannot be taken from here, or "" if it is sound and fits."""
        try:
            array: Any = self._node[check.path] if check.path else self._node
        except KeyError:
            return f"{self.name} has no array {check.path}"
        if _form(array) != _form(check.array):
            return f"{check.path} is stored in another way in {self.name}"
        grid = next(grid for name, grid in check.files() if check.key(name) == key)
        problem = ArrayCheck(check.path, array, False).problem(grid)
        return f"it is broken in {self.name} too: {problem[1]}" if problem else ""


class _Mending:
    """Repairs one finding at a time."""

    def __init__(
        self,
        source: _Source,
        arrays: dict[str, ArrayCheck],
        blobs: Blobs,
        work: Workspace,
        private: bool,
    ) -> None:
        self._source = source
        self._arrays = arrays
        self._blobs = blobs
        self._work = work
        self._private = private or not blobs.folder.is_dir()

    def __call__(self, finding: Finding) -> None:
        check = self._arrays.get(finding.array) if finding.version is None else None
        if finding.kind == "overwritten" and check and check.means == "checksum":
            self._set_apart(finding)
            return
        found = None if finding.key == RECORD else self._source.read(finding.key)
        if found is None:
            finding.repair = f"{self._source.name} does not have it"
            return
        digest = hashlib.sha256(found).hexdigest()
        is_exact = digest == finding.expected
        if check is None and not is_exact:
            finding.repair = f"{self._source.name} has other bytes there"
            return
        refusal = self._source.refusal(check, finding.key) if check and not is_exact else ""
        if refusal:
            finding.repair = refusal
            return
        shares = finding.version is not None or not self._private
        self._put(found, digest, Path(finding.path), shares and not is_document(finding.key))
        finding.repaired = True
        how = "exactly as it was" if is_exact else "checked; what it was before is not known"
        finding.repair = f"taken from {self._source.name}, {how}"

    def _set_apart(self, finding: Finding) -> None:
        """Let the dataset keep what was written, in a file that is its own."""
        file, temp = Path(finding.path), self._work.name()
        copy(file, temp)
        digest = digest_of(temp)
        if not self._private:
            self._blobs.publish(temp, digest)
        _move(temp, file)
        finding.repaired = True
        finding.repair = "kept as it was written, its checksum agrees; it is not shared any more"

    def _put(self, content: bytes, digest: str, file: Path, shares: bool) -> None:
        temp = self._work.name()
        temp.write_bytes(content)
        if shares:
            self._blobs.publish(temp, digest)
        file.parent.mkdir(parents=True, exist_ok=True)
        _move(temp, file)


def _move(temp: Path, file: Path) -> None:
    """Put a file in the place of another in one step, also on another file system."""
    try:
        temp.replace(file)
        temp.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in CANNOT_LINK:
            raise
        beside = file.with_name(f"{file.name}.{uuid.uuid4().hex}.partial")
        copy(temp, beside)
        beside.replace(file)


def _form(array: Any) -> list[Any]:
    """Return what has to agree so that a stored chunk of one array is one of another."""
    document = dict(array.metadata.to_dict())
    names = _SAME if document["zarr_format"] == 3 else _SAME_V2
    return [document["zarr_format"], *(repr(document.get(name)) for name in names)]
