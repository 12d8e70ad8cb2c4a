"""What was measured: on the terminal, in `benchmarks/results.json` and in `docs/performance.md`."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from benchmarks import GROUPS
from benchmarks.rounds import Samples

TIMES = "\N{MULTIPLICATION SIGN}"

_ROOT = Path(__file__).parents[1]
_RESULTS = _ROOT / "benchmarks" / "results.json"
_PAGE = _ROOT / "docs" / "performance.md"
_PACKAGES = ("tensorflow-cpu", "tensorflow", "keras", "distributed", "ipyparallel", "ray")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes
    ----------
    value : float
        What was measured, in `unit`: times in ms or s, ratios in \N{MULTIPLICATION SIGN}.
    at_most, at_least : float or None
        The target of the design, in the same unit.
    """

    title: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    @property
    def target(self) -> str:
        """The target in words."""
        if self.at_most is not None:
            return f"≤ {_number(self.at_most, self.unit)}"
        return "" if self.at_least is None else f"≥ {_number(self.at_least, self.unit)}"

    @property
    def got(self) -> str:
        """The value in words, and whether it will do."""
        verdict = {True: "", False: " **missed**", None: ""}[self.met]
        return _number(self.value, self.unit) + verdict


@dataclass(slots=True)
class Result:
    """What one group of figures found.

    Attributes
    ----------
    samples : dict of str to list of float
        The measurements behind the figures, by what was measured.
    units : dict of str to str
        Their units, where these are not seconds.
    notes : list of str
        What a reader should know, such as a peer that is not installed.
    """

    figures: list[Figure]
    samples: Samples
    notes: list[str] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)


def show(group: str, result: Result) -> None:
    """Print the figures of a group."""
    width = max(len(figure.title) for figure in result.figures)
    for figure in result.figures:
        got = figure.got.replace("**", "")
        print(f"{group:<11} {figure.title:<{width}}  {figure.target:>12}  {got}", flush=True)
    for name, values in result.samples.items():
        print(
            f"{'':<11} . {name:<{width - 2}}  {_spread(values, result.units.get(name))}", flush=True
        )
    for note in result.notes:
        print(f"{'':<11} {note}", flush=True)


def keep(group: str, title: str, result: Result, rounds: int) -> None:
    """Put the result of a group in the place of its last one, and write the page anew."""
    results = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    results[group] = {
        "title": title,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "rounds": rounds,
        "machine": _machine(),
        "figures": [
            {**asdict(figure), "target": figure.target, "met": figure.met}
            for figure in result.figures
        ],
        "samples": {
            name: [float(f"{value:.4g}") for value in values]
            for name, values in result.samples.items()
        },
        "units": result.units,
        "notes": result.notes,
    }
    results = {name: results[name] for name in GROUPS if name in results}
    _RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    write_page(results)


def write_page(results: dict[str, Any]) -> None:
    """Write `docs/performance.md` from what is in `benchmarks/results.json`."""
    _PAGE.parent.mkdir(exist_ok=True)
    _PAGE.write_text("\n".join(_page(results)) + "\n")


def _page(results: dict[str, Any]) -> Iterable[str]:
    yield "# Performance"
    yield ""
    yield "Written by `python -m benchmarks` (`make bench`); every number is in"
    yield "[`benchmarks/results.json`](../benchmarks/results.json). Each figure is taken beside its"
    yield "floor or its peers in one run: all ways in turn, round after round. A time is the median"
    yield "of the rounds; a ratio is the median of the ratios within each round; a percentile is"
    yield "over all measurements of all rounds. A training cell has one thread, whoever runs it."
    yield ""
    yield "| figure | target | got | command |"
    yield "|---|---|---|---|"
    for group, kept in results.items():
        for stored in kept["figures"]:
            figure = _stored(stored)
            command = f"`python -m benchmarks {group}`"
            yield f"| {figure.title} | {figure.target} | {figure.got} | {command} |"
    for group, kept in results.items():
        yield from _details(group, kept)


def _details(group: str, kept: dict[str, Any]) -> Iterable[str]:
    yield ""
    yield f"## {group}"
    yield ""
    yield f"{kept['title']} {kept['rounds']} rounds on {kept['date']}; {kept['machine']}."
    yield ""
    yield "| measured | median | least to most |"
    yield "|---|---|---|"
    for name, values in kept["samples"].items():
        median, spread = _spread(values, kept.get("units", {}).get(name)).split(" (")
        yield f"| {name} | {median} | {spread.rstrip(')')} |"
    for note in kept["notes"]:
        yield ""
        yield note


def _stored(stored: dict[str, Any]) -> Figure:
    return Figure(**{name: stored[name] for name in Figure.__slots__})


def _spread(values: list[float], unit: str | None) -> str:
    median, low, high = (
        _time(value) if unit is None else _number(value, unit)
        for value in (statistics.median(values), min(values), max(values))
    )
    return f"{median} ({low} to {high})"


def _time(seconds: float) -> str:
    return _number(seconds, "s") if seconds >= 1 else _number(seconds * 1e3, "ms")


def _number(value: float, unit: str) -> str:
    """Write a value with three digits, or all it has before the point."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text}{unit}" if unit == TIMES else f"{text} {unit}"


def _machine() -> str:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, {', '.join(found)}"
    )
