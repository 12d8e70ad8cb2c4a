"""The fenced blocks of the documentation: what and where each is, and whether it is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n)?"
    r"^(?P<fence>```+)(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes
    ----------
    place
        ``docs/tutorial.md:9``, the line of its fence.
    language
        ``python`` for cells of a notebook, ``bash`` for a terminal, and others.
    reason
        Why it is not run, by the comment ``<!-- not run: WHY -->`` directly above it.
    """

    place: str
    language: str
    text: str
    reason: str | None


def name_of(page: Path) -> str:
    """Return a page's path in the repository."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, from the top."""
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("fence")) + 1
        yield Block(
            f"{name_of(page)}:{line}", found["language"].strip(), found["text"], found["reason"]
        )
