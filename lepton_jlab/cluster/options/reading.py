"""Reads the values of engines' options, from the words of a line and from Python alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lepton_jlab.errors import UsageError


def words(value: str | Iterable[str], option: str) -> list[str]:
    """Return the words of ``"a,b"`` or of ``["a", "b"]``.

    Raises
    ------
    UsageError
        When there is none, or an empty one.
    """
    listed = value.split(",") if isinstance(value, str) else list(value)
    listed = [str(word).strip() for word in listed]
    if not listed or not all(listed):
        raise UsageError(f"{option} {value!r}: write words with commas between them: a,b.")
    return listed


def pairs(value: str | dict[str, Any] | Sequence[str], option: str) -> dict[str, str]:
    """Return the pairs of ``"a=1,b=2"``, or of a dict.

    Raises
    ------
    UsageError
        When a word has no ``=``.
    """
    if isinstance(value, dict):
        return {str(name): str(given) for name, given in value.items()}
    found = [word.partition("=") for word in words(value, option)]
    if not all(name.strip() and equals for name, equals, _ in found):
        raise UsageError(f"{option} {value!r}: write pairs with commas between them: a=1,b=2.")
    return {name.strip(): given.strip() for name, _, given in found}


def plain(given: dict[str, Any]) -> dict[str, Any]:
    """Return `given`, whose texts must not be empty or have line breaks.

    Raises
    ------
    UsageError
        Naming the first that is.
    """
    for name, value in given.items():
        if isinstance(value, str) and (not value.strip() or "\n" in value):
            raise UsageError(f"--{name.replace('_', '-')} {value!r} must be one line of text.")
    return given


def file(value: str, option: str) -> str:
    """Return the full path of a file that is there.

    Raises
    ------
    UsageError
        When it is not.
    """
    path = Path(value).expanduser()
    if not path.is_file():
        raise UsageError(f"{option}: there is no file {value!r}.")
    return str(path.resolve())
