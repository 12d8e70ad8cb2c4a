"""Why a run is where it is: the places there were, and what it would have taken at each."""

from __future__ import annotations

from html import escape
from typing import Any

from lepton_jlab.runs import words
from lepton_jlab.runs.views.page import RunDict
from lepton_jlab.runs.views.table import Cell, Table

_TERMS = ("queue", "latency", "transfer", "compute", "decode")


def why_text(run: RunDict) -> str:
    """Write the candidates as a table, with a line above; nothing where there was no choice."""
    placement = run.get("placement")
    return f"{_line(placement)}\n{_table(placement).text()}" if placement else ""


def why_html(run: RunDict) -> str:
    """Draw the same, folded."""
    placement = run.get("placement")
    if not placement:
        return ""
    table = _table(placement).html()
    return f"<details><summary>{escape(_line(placement))}</summary>{table}</details>"


def _line(placement: dict[str, Any]) -> str:
    said = f"why {placement['label']}? "
    said += "soonest there" if placement["asked"] == "auto" else "asked for"
    predicted, actual = placement["predicted"], placement.get("actual")
    about = "" if placement["measured"] else ", a guess: this code has not run before"
    said += f"; predicted {words.duration(predicted)}{about}"
    if actual:
        off = predicted / max(actual["total"], 1e-9) - 1
        said += f", took {words.duration(actual['total'])} (prediction {off:+.0%})"
    return said


def _table(placement: dict[str, Any]) -> Table:
    head = ["place", *_TERMS, "total", "bytes", ""]
    table = Table(head, frozenset(range(1, 8)))
    for candidate in placement["candidates"]:
        mark = " *" if candidate["place"] == placement["label"] else ""
        times = [Cell(words.duration(candidate[term])) for term in (*_TERMS, "total")]
        moved = Cell(words.size(candidate["size"]))
        about = Cell(candidate["obstacle"] or "")
        table.rows.append([Cell(candidate["place"] + mark), *times, moved, about])
    return table
