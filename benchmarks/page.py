"""Puts what was measured into the page for users, `docs/streaming.md`, between marks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
ENOUGH = 5  # rounds; fewer are for trying out

_PAGE = DOCS / "streaming.md"


def put(section: str, lines: Iterable[str]) -> None:
    """Replace what stands between the marks of a section.

    Raises
    ------
    ValueError
        If the page has no such section.
    """
    text = _PAGE.read_text()
    begin, end = f"<!-- measured: {section} -->", f"<!-- end of {section} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{_PAGE} has no section {begin} … {end}")
    body = "\n".join([begin, *lines, end])
    _PAGE.write_text(pattern.sub(lambda _: body, text))


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterable[str]:
    """Yield the lines of a table; all columns but the first are numbers."""
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield "|---|" + "--:|" * (len(head) - 1)
    for row in rows:
        yield f"| {' | '.join(row)} |"
