"""The datasets of the working folder, and how those in use come into training."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Any

from lepton_jlab.data import find_datasets
from lepton_jlab.panel.facts.runs import Recent
from lepton_jlab.runs import words
from lepton_jlab.runs.views import page
from lepton_jlab.runs.views.page import RunDict
from lepton_jlab.runs.views.table import Cell, Table

NONE = "No datasets here. Make one: %lepton data import fashion-mnist fashion.zarr"
_PATIENCE = 30.0  # s between two walks through the folder


class Data:
    """The datasets below a folder, and the streams of the runs that read some."""

    def __init__(self, cluster: str | None = None, folder: str = ".") -> None:
        self._folder = folder
        self._recent = Recent(cluster)
        self._recent.states = "running"
        self._looked = -_PATIENCE
        self.datasets: list[dict[str, Any]] = []  # as `find_datasets` gives them

    def read(self) -> None:
        """Read the streams, and now and then walk through the folder."""
        if time.monotonic() - self._looked >= _PATIENCE:
            self.look_again()
        self._recent.read()

    def look_again(self) -> None:
        """Walk through the folder now."""
        self.datasets = find_datasets(self._folder)
        self._looked = time.monotonic()

    def mark(self) -> Hashable:
        """Return names and sizes."""
        return tuple((row["name"], row["samples"]) for row in self.datasets)

    def html(self) -> str:
        """Draw the datasets and the streams."""
        return page.frame(self.datasets_html(), self.streams_html())

    def datasets_html(self) -> str:
        """Draw the datasets."""
        return self._table().html() if self.datasets else page.note(NONE)

    def streams_html(self) -> str:
        """Draw how data come into the runs that read some."""
        runs = self._recent.streaming()
        if not runs:
            return page.note("No run reads a dataset now.")
        advice = [f"{run['id']}: {page.stream_text(run)}" for run in runs if _advice(run)]
        return _streams(runs).html() + "".join(map(page.note, advice))

    def text(self) -> str:
        """Write the datasets and the streams."""
        parts = [self._table().text() if self.datasets else NONE]
        if self._recent.streaming():
            parts.append(_streams(self._recent.streaming()).text())
        return "\n\n".join(parts)

    def document(self) -> dict[str, Any]:
        """Return the datasets, and the reports of streams by run."""
        streams = {run["id"]: run["streams"] for run in self._recent.streaming()}
        return {"datasets": self.datasets, "streams": streams}

    def _table(self) -> Table:
        table = Table(["dataset", "samples", "stored", ""], frozenset({1, 2}))
        for row in self.datasets:
            samples = "" if row["samples"] is None else f"{row['samples']:,}"
            told = (row["name"], samples, words.size(row["stored_bytes"]), row["error"] or "")
            table.rows.append([Cell(text) for text in told])
        return table


def _streams(runs: list[RunDict]) -> Table:
    header = ["run", "dataset", "epoch", "samples", "samples/s", "decoded MB/s", "waited"]
    table = Table(header, frozenset(range(2, len(header))))
    for run in runs:
        for report in run["streams"]:
            told = (
                run["id"],
                report["dataset"],
                str(report["epoch"]),
                f"{report['samples']:,}",
                f"{report['samples_per_second']:,.0f}",
                f"{report['decoded_mb_per_second']:,.0f}",
                f"{report['waited_share']:.1%}",
            )
            table.rows.append([Cell(text) for text in told])
    return table


def _advice(run: RunDict) -> bool:
    return any(report["advice"] for report in run["streams"])
