"""What a check of a dataset found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["broken", "missing", "overwritten"]


@dataclass(slots=True)
class Finding:
    """A file that is not as it should be.

    Attributes
    ----------
    version
        In which version; None for the dataset itself.
    array
        Path of the array in the dataset.
    chunk
        Which chunk of it: its place in the grid, as ``3/0``; or the name of a document.
    key
        Of the file in the dataset, as ``x/c/3/0``.
    path
        Where the file is.
    kind : {"broken", "missing", "overwritten"}
        Overwritten: it can be read, but another program wrote into it after it was shared, and
        whatever shares it has these bytes too.
    problem
        What is wrong, in words.
    expected
        The SHA-256 that its bytes should have, where that is known.
    shared_with
        Other files that are the same one on disk.
    repaired
        Whether it is as it should be now.
    repair
        What was done, or why nothing could be done; "" if nothing was asked for.
    """

    version: str | None
    array: str
    chunk: str
    key: str
    path: str
    kind: Kind
    problem: str
    expected: str | None = None
    shared_with: list[str] = field(default_factory=list)
    repaired: bool = False
    repair: str = ""


@dataclass(slots=True)
class ArrayReport:
    """What was checked of one array.

    Attributes
    ----------
    path
        In the dataset.
    means : {"checksum", "decoding", "size"}
        What tells damage; see `ArrayCheck`.
    files
        How many it has.
    compared
        Of how many the bytes were compared with their SHA-256, as they are shared.
    absent
        How many are not there and need not be: they stand for the fill value.
    """

    path: str
    means: str
    files: int = 0
    compared: int = 0
    absent: int = 0


@dataclass(slots=True)
class Verification:
    """What `verify` found.

    Attributes
    ----------
    path
        The dataset.
    arrays
        What was checked of each.
    versions
        How many files of each version were compared with their SHA-256, by name.
    findings
        What is not as it should be.
    """

    path: str
    arrays: list[ArrayReport] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all is as it should be, after repairs."""
        return all(finding.repaired for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready, with ``ok``."""
        return {"ok": self.ok, **asdict(self)}
