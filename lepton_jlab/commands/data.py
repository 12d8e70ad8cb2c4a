"""The verbs of `data`."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import lepton_jlab as lepton
from lepton_jlab.commands.result import Context, Result, action, spoken

if TYPE_CHECKING:
    from lepton_jlab.data import Dataset


@action("data import")
def import_(args: Namespace, context: Context) -> Result:
    """Make a dataset from files."""

    def progress(done: int, total: int, text: str) -> None:
        context.progress(f"{text} {done / total:.0%}" if total else text)

    dataset = lepton.import_dataset(
        args.src, args.dest, label=args.label, force=args.force, progress=progress
    )
    return _one(dataset)


@action("data info")
def info(args: Namespace, _context: Context) -> Result:
    """Show a dataset."""
    return _one(lepton.open_dataset(args.path))


@action("data list")
def list_(args: Namespace, context: Context) -> Result:
    """List the datasets in a folder and below it."""
    from lepton_jlab.data import find_datasets
    from lepton_jlab.runs import page, words
    from lepton_jlab.runs.table import Cell, Table

    found = find_datasets(args.folder)
    if not found:
        hint = "No datasets here. Make one: %lepton data import fashion-mnist fashion.zarr"
        return Result(lambda: found, spoken(hint, context.place))
    table = Table(["dataset", "samples", "stored", ""], frozenset({1, 2}))
    for row in found:
        samples = "" if row["samples"] is None else f"{row['samples']:,}"
        told = (row["name"], samples, words.size(row["stored_bytes"]), row["error"] or "")
        table.rows.append([Cell(text) for text in told])
    return Result(lambda: found, table.text(), page.frame(table.html()))


def _one(dataset: Dataset) -> Result:
    return Result(dataset.info, repr(dataset), dataset._repr_html_())
