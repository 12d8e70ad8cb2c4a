"""Reads the values that options take: counts, names, lists of names, sweeps."""

from __future__ import annotations

import argparse
import ast
import keyword
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from lepton_jlab import ranges
from lepton_jlab.cluster.options import ENGINES
from lepton_jlab.errors import UsageError, suggestion
from lepton_jlab.ranges import Range

_CLOSES = {"[": "]", "(": ")", "{": "}"}


def whole(text: str) -> int:
    """Read a whole number, 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def positive(text: str) -> int:
    """Read a whole number, 1 or more."""
    if (number := whole(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is less than 1")
    return number


def identifier(text: str) -> str:
    """Read a name that a variable may have."""
    if not text.isidentifier() or keyword.iskeyword(text):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be a variable's name")
    return text


def names(text: str) -> list[str]:
    """Read names with commas between them: ``a,b``."""
    return [identifier(name.strip()) for name in text.split(",")]


def words(text: str) -> list[str]:
    """Read words of any kind with commas between them: ``T-shirt/top,Trouser``."""
    listed = [word.strip() for word in text.split(",")]
    if not all(listed):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty place between its commas")
    return listed


def pushed(text: str) -> list[str] | Literal["none"]:
    """Read what ``--push`` takes: names, or the word ``none``."""
    return "none" if text == "none" else names(text)


def label(text: str) -> str:
    """Read the label of a place; the cluster knows which there are."""
    if not text.strip():
        raise argparse.ArgumentTypeError("a place has a label, such as edge, cloud or auto")
    return text.strip()


def engine(text: str) -> str:
    """Read an engine's name or a scheduler's address."""
    if text not in ENGINES and "://" not in text:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither one of {', '.join(ENGINES)} nor an address such as "
            f"tls://host:8786.{suggestion(text, ENGINES)}"
        )
    return text


def span(text: str) -> tuple[int, int]:
    """Read the fewest and the most workers: ``0..8``."""
    from lepton_jlab.cluster.plan import parse_span

    try:
        return parse_span(text, "")
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error).strip()) from None


def count_or_span(text: str) -> int | tuple[int, int]:
    """Read a number of workers, or the fewest and the most: ``4``, ``0..8``."""
    return span(text) if ".." in text else whole(text)


def sweep(text: str) -> tuple[str, list[Any] | Range]:
    """Read one swept variable: ``lr=1e-2,1e-3``, ``lr=[1e-2,1e-3]`` or ``lr=log(1e-4,1e-1)``.

    Returns
    -------
    tuple of str and list or Range
        The variable and its values: Python literals where they parse, else text.
    """
    name, equals, listed = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=value1,value2")
    name, listed = identifier(name.strip()), listed.strip()
    try:
        parts = list(_parts(listed))
        if len(parts) == 1 and listed.startswith("["):
            parts = list(_parts(listed[1:-1]))
        if len(parts) == 1 and (found := ranges.read(parts[0])) is not None:
            return name, found
        return name, [_value(part) for part in parts]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is malformed: {error}") from None


def _value(text: str) -> Any:
    if ranges.read(text) is not None:
        raise ValueError(f"{text} stands alone, without other values beside it")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        # A word such as `adam` is text; what begins as a list, a tuple or a string must be one.
        if text[0] in "[({'\"":
            raise ValueError(f"{text} is not a Python value") from None
        return text


def _parts(text: str) -> Iterator[str]:
    """Cut `text` at its commas, except at those inside brackets or quotes."""
    start, depth, position = 0, 0, 0
    for position, depth, _ in scan(text):
        if text[position] == "," and depth == 0:
            yield _filled(text[start:position])
            start = position + 1
    if depth:
        raise ValueError("a bracket is not closed")
    yield _filled(text[start:])


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("a value is empty")
    return text.strip()


def scan(text: str) -> Iterator[tuple[int, int, str]]:
    """Walk over `text` outside of quotes.

    Yields
    ------
    tuple of int, int and str
        A position, the number of brackets open after it, and, where a quoted part begins, the
        whole of it with its quotes (else ``""``).

    Raises
    ------
    ValueError
        When a quote is not closed or a bracket closes what was not opened.
    """
    open_: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        quoted = ""
        if char in "'\"":
            end = text.find(char, position + 1)
            if end < 0:
                raise ValueError(f"a quote is not closed: {text[position:]}")
            quoted = text[position : end + 1]
        elif char in _CLOSES:
            open_.append(_CLOSES[char])
        elif open_ and char in _CLOSES.values() and open_.pop() != char:
            raise ValueError(f"{char} closes another bracket")
        yield position, len(open_), quoted
        position += len(quoted) or 1


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """Make the reader of a word that must be one of `choices`."""

    def read(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(
                f"{text!r} is none of {', '.join(choices)}.{suggestion(text, choices)}"
            )
        return text

    return read
