"""The verbs of `data`."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

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
    from lepton_jlab.runs import words
    from lepton_jlab.runs.views import page
    from lepton_jlab.runs.views.table import Cell, Table

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
    info = dataset.info()
    return Result(lambda: info, f"{dataset!r}\n{_arrays(info)}", dataset._repr_html_())


def _arrays(info: dict[str, Any]) -> str:
    """Write the arrays of a dataset, and of those inside it, as a table."""
    from lepton_jlab.runs import words
    from lepton_jlab.runs.views.table import Cell, Table

    table = Table(["array", "shape", "dtype", "chunks", "stored", "ratio"], frozenset({4, 5}))

    def add(info: dict[str, Any], within: str) -> None:
        for array in info["arrays"]:
            shape, chunks = (str(tuple(array[key])) for key in ("shape", "chunks"))
            stored = array["stored_bytes"]
            size = "" if stored is None else words.size(stored)
            row = (within + array["name"], shape, array["dtype"], chunks, size, array["ratio"])
            table.rows.append([Cell("" if value is None else str(value)) for value in row])
        for name, inside in info["groups"].items():
            add(inside, f"{within}{name}/")

    add(info, "")
    return table.text()
