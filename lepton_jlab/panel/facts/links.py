"""The map of links: between which places how many bytes a second get through, and how soon."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from lepton_jlab.runs import words
from lepton_jlab.runs.views.table import Cell, Table


def link_table(links: Mapping[str, Any], cluster: str | None = None) -> Table:
    """Return one row a link, of all clusters with several places or of one.

    Parameters
    ----------
    links
        By cluster, as `Links.document` describes them.
    """
    table = Table(["link", "round trip", "goodput", "moved", "measured"], frozenset({1, 2, 3}))
    for name, document in links.items():
        if cluster not in (None, name):
            continue
        workers = {place["label"]: place["workers"] for place in document["places"]}
        for link in document["links"]:
            ends = " → ".join(_end(link[end], workers) for end in ("from", "to"))
            told = (
                f"{name}: {ends}",
                f"{1e3 * link['rtt']:.1f} ms",
                f"{words.size(int(link['goodput']))}/s",
                words.size(int(link["moved"])),
                f"{words.duration(time.time() - link['measured'])} ago",
            )
            table.rows.append([Cell(text) for text in told])
    return table


def _end(label: str, workers: Mapping[str, int]) -> str:
    count = workers.get(label)
    return label if count is None else f"{label} ({count})"
