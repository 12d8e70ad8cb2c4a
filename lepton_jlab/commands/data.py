"""The verbs of `data`."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import lepton_jlab as lepton
from lepton_jlab.commands.result import Context, Result, action, spoken
from lepton_jlab.commands.storage import sizes_text
from lepton_jlab.commands.tiers import place_text

if TYPE_CHECKING:
    from lepton_jlab.runs.views.table import Table

OFTEN = 0.2  # s between two lines of progress


@action("data import")
def import_(args: Namespace, context: Context) -> Result:
    """Make a dataset from files."""
    dataset = lepton.import_dataset(
        args.src,
        args.dest,
        codec=args.codec,
        goal=getattr(args, "for"),
        chunk=args.chunk,
        shard=args.shard,
        max_error=args.max_error,
        label=args.label,
        force=args.force,
        progress=progress_of(context.progress),
    )
    info = dataset.info()
    trials = info["history"][-1].get("codec_trial")
    tables = [(path, trial, _trial(trial)) for path, trial in (trials or {}).items()]
    text = "\n\n".join(
        [*(f"{_chosen(p, t)}\n{table.text()}" for p, t, table in tables), _text(info)]
    )
    markup = "".join(f"{_note(_chosen(p, t))}{table.html()}" for p, t, table in tables)
    shown = dataset._repr_html_() + (_frame(markup) if tables else "")
    return Result(lambda: {**info, "codec_trial": trials}, text, shown)


@action("data info")
def info(args: Namespace, _context: Context) -> Result:
    """Show a dataset."""
    dataset = lepton.open_dataset(args.path)
    info = dataset.info()
    return Result(lambda: info, _text(info), dataset._repr_html_())


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


def progress_of(say: Callable[[str], None]) -> Callable[[int, int, str], None]:
    """Make what an import reports its progress to: share, speed and time left, now and then."""
    from lepton_jlab.runs import words

    begun: list[tuple[float, int]] = []  # when the writing began, and what was written before
    last = 0.0

    def progress(done: int, total: int, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if not total:
            say(text)
            return
        if not begun:
            begun.append((now, done))
        if now - last < OFTEN and done < total:
            return
        last = now
        (start, before), line = begun[0], f"{text} {done / total:.0%}"
        speed = (done - before) / (now - start) if now > start else 0.0
        if speed > 0:
            line += f", {speed / 1e6:.0f} MB/s"
            if done < total:
                line += f", {words.duration((total - done) / speed)} left"
        say(line)

    return progress


def _chosen(path: str, trial: Mapping[str, Any]) -> str:
    from lepton_jlab.runs import words

    aim = {"speed": "for speed", "size": "for size", "balanced": "balanced"}[trial["goal"]]
    sample = words.size(trial["sample_bytes"])
    return f"{path}: {trial['chosen']}, {aim}, by a sample of {sample}; speeds are of one core"


def _trial(trial: Mapping[str, Any]) -> Table:
    """Write what was measured on one array as a table."""
    from lepton_jlab.runs.views.table import Cell, Table

    table = Table(["codec", "ratio", "encode MB/s", "decode MB/s", ""], frozenset({1, 2, 3}))
    for one in trial["codecs"]:
        best = one["codec"] == trial["chosen"]
        speeds = (_speed(one[key]) for key in ("encode", "decode"))
        told = (f"{one['ratio']:.2f}", *speeds, "" if one["portable"] else "zarr-python only")
        table.rows.append([Cell(one["codec"], best=best), *map(Cell, told)])
    return table


def _speed(speed: float) -> str:
    return f"{speed:,.0f}" if speed < 20_000 else "> 20,000"  # nothing is done at all


def _note(text: str) -> str:
    from lepton_jlab.runs.views import page

    return page.note(text)


def _frame(markup: str) -> str:
    from lepton_jlab.runs.views import page

    return page.frame(markup)


def _text(info: Mapping[str, Any]) -> str:
    """Write a dataset for the terminal: what it is, its tree of arrays, what is wrong with them."""
    lines = [_headline(info), _arrays(info)]
    source = info["source"]
    lines += [f"from {source}"] if source else []
    if info["storage"]:
        lines.append(f"storage: {sizes_text(info['storage'])}")
    if info["place"] and info["place"]["money_per_month"] is not None:
        lines.append(f"place: {place_text(info['place'])}")
    lines += [
        f"{path}: {array['verdict']}" for path, array in _all_arrays(info, "") if array["verdict"]
    ]
    return "\n".join(lines)


def _headline(info: Mapping[str, Any]) -> str:
    from lepton_jlab.runs import words

    told = [info["name"], f"{info['samples']:,} samples"]
    if info["classes"]:
        told.append(f"{len(info['classes'])} classes")
    sizes = words.size(info["original_bytes"])
    if info["stored_bytes"] is not None:
        sizes += f" in {words.size(info['stored_bytes'])}"
        sizes += f" (ratio {info['ratio']:.2f})" if info["ratio"] else ""
    return ", ".join([*told, sizes])


def _all_arrays(info: Mapping[str, Any], within: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for array in info["arrays"]:
        yield within + array["name"], array
    for name, inside in info["groups"].items():
        yield from _all_arrays(inside, f"{within}{name}/")


def _arrays(info: Mapping[str, Any]) -> str:
    """Write the arrays of a dataset, and of those inside it, as a tree with columns."""
    from lepton_jlab.data.describe import codec_words
    from lepton_jlab.runs import words
    from lepton_jlab.runs.views.table import Cell, Table

    header = ["array", "shape", "type", "chunk", "", "codec", "chunks", "size", "stored", "ratio"]
    table = Table(header, frozenset({4, 6, 7, 8, 9}))

    def add(info: Mapping[str, Any], indent: str) -> None:
        entries: list[Any] = [*info["arrays"], *info["groups"].items()]
        for place, entry in enumerate(entries):
            is_last = place == len(entries) - 1
            branch = indent + ("└─ " if is_last else "├─ ")
            if isinstance(entry, tuple):
                name, inside = entry
                told = [f"{branch}{name}", f"{inside['samples']:,} samples", *[""] * 8]
                table.rows.append([Cell(text) for text in told])
                add(inside, indent + ("   " if is_last else "│  "))
            else:
                table.rows.append([Cell(text) for text in (branch + entry["name"], *row(entry))])

    def row(array: Mapping[str, Any]) -> Sequence[str]:
        stored, ratio = array["stored_bytes"], array["ratio"]
        chunk = _times(array["chunks"])
        chunk += f" in shards of {array['shards'][0]:,}" if array["shards"] else ""
        return (
            _times(array["shape"]),
            array["dtype"],
            chunk,
            words.size(array["chunk_bytes"]),
            codec_words(array["codecs"]),
            f"{array['chunk_count']:,}",
            words.size(array["original_bytes"]),
            "" if stored is None else words.size(stored),
            "" if ratio is None else f"{ratio:.2f}",
        )

    add(info, "")
    return table.text()


def _times(shape: Sequence[int]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(f"{n:,}" for n in shape) or "single value"
