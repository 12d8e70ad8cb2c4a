"""One table, two forms: HTML for the notebook, aligned columns for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place of a table.

    Attributes
    ----------
    text
        For the terminal, and for HTML where `html` is empty.
    html
        Markup, where that says more than the text.
    best
        Marked as the best of its column.
    """

    text: str
    html: str = ""
    best: bool = False


@dataclass(slots=True)
class Table:
    """Rows of cells under a header.

    Attributes
    ----------
    header
        One word a column.
    right
        Columns of numbers, which end in line.
    """

    header: Sequence[str]
    right: frozenset[int] = frozenset()
    rows: list[list[Cell]] = field(default_factory=list)

    def html(self) -> str:
        """Return a ``<table>``."""

        def item(kind: str, column: int, inner: str) -> str:
            align = "right" if column in self.right else "left"
            return f'<{kind} style="text-align:{align};white-space:nowrap">{inner}</{kind}>'

        head = "".join(item("th", i, escape(word)) for i, word in enumerate(self.header))
        body = "".join(
            "<tr>" + "".join(item("td", i, _markup(cell)) for i, cell in enumerate(row)) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def text(self) -> str:
        """Return lines of columns two blanks apart; a star marks the best."""
        marked = {i for row in self.rows for i, cell in enumerate(row) if cell.best}
        lines = [[word + " " * (i in marked) for i, word in enumerate(self.header)]]
        lines += [
            [cell.text + ("*" if cell.best else " " * (i in marked)) for i, cell in enumerate(row)]
            for row in self.rows
        ]
        shown = [i for i in range(len(self.header)) if any(line[i] for line in lines[1:])]
        widths = {i: max(len(line[i]) for line in lines) for i in shown}
        aligned = (
            "  ".join(
                line[i].rjust(widths[i]) if i in self.right else line[i].ljust(widths[i])
                for i in shown
            )
            for line in lines
        )
        return "\n".join(line.rstrip() for line in aligned)


def _markup(cell: Cell) -> str:
    inner = cell.html or escape(cell.text)
    return f"<b>★ {inner}</b>" if cell.best else inner
