"""A simulated month of 200 datasets: what tiers cost and what the hot disk serves; no clock."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import say, seconds
from benchmarks.tiers_bounds import least_money, most_hits
from benchmarks.tiers_month import (
    COLD,
    HALF_LIFE,
    MONTH,
    WARM,
    Aged,
    Bill,
    Disk,
    Nothing,
    Scored,
    World,
    play,
    world,
)
from lepton_jlab.data.tiers.prices import Tiers

PLOT = Path(__file__).parents[1] / "docs" / "tiers.png"
LEARNT = (101, 102, 103, 104)  # seeds by which the settings were chosen; none of them is reported
FIRST = 201  # of the seeds that are reported, one a round
GRID = {
    "half_life_days": (15.0, 30.0, 60.0),
    "horizon_days": (30.0, 60.0, 90.0),
    "doubt": (0.2, 0.4, 0.6),
}

OURS = "Lepton: scores, hot disk by scores"
WAYS: Mapping[str, Callable[[World], Bill]] = {
    "everything warm": lambda given: play(given, Nothing()),
    "age-only tiering": lambda given: play(given, Aged(given)),
    "LRU hot disk, age-only tiering": lambda given: play(given, Aged(given), Disk(given, None)),
    "LRU hot disk": lambda given: play(given, Nothing(), Disk(given, None)),
    "hot disk by scores": lambda given: play(given, Nothing(), Disk(given, HALF_LIFE)),
    "Lepton: tiers alone, hot included": lambda given: play(
        given, Scored(given, Tiers(given.tiers.tiers))
    ),
    OURS: lambda given: ours(given),
}


def ours(given: World, **settings: float) -> Bill:
    """Play Lepton's way, by default with its default settings."""
    slow = Tiers({"warm": WARM, "cold": COLD}, **settings)  # type: ignore[arg-type]
    return play(given, Scored(given, slow), Disk(given, HALF_LIFE))


def measure(rounds: int, quick: bool) -> Result:
    """Play months that the settings were not chosen by, and choose the settings once more."""
    worlds = [world(FIRST + number, 45 if quick else 90) for number in range(rounds)]
    bills: dict[str, list[Bill]] = {name: [] for name in WAYS}
    bounds, ceilings = [], []
    taken: list[float] = []
    for number, given in enumerate(worlds):
        say(f"  month {number + 1} of {rounds}")
        bounds.append(least_money(given))
        ceilings.append(most_hits(given))
        for name, way in WAYS.items():
            begun: list[Bill] = []
            spent = seconds(lambda way=way, given=given, begun=begun: begun.append(way(given)))
            taken += [spent] if name == OURS else []
            bills[name] += begun
        for name in WAYS:
            assert bills[name][-1].money >= bounds[-1], "the bound is none"
    say("")
    notes = [] if quick else [_settings()]
    if not quick:
        draw(bills, bounds, ceilings)
        notes.append("Plotted in [tiers.png](tiers.png); explained in [tiers.md](tiers.md).")
    figures = [*_figures(bills, bounds, ceilings), *_looked_through(rounds)]
    return Result(figures, {"a month of Lepton's policy": taken}, notes)


def _figures(
    bills: Mapping[str, list[Bill]], bounds: list[float], ceilings: list[float]
) -> list[Figure]:
    figures = []
    for name, played in bills.items():
        over = [bill.money / bound for bill, bound in zip(played, bounds, strict=True)]
        figures.append(Figure(f"month, against the bound: {name}", _median(over), TIMES))
    for name in ("everything warm", "age-only tiering", "LRU hot disk"):
        over = [mine.money / its.money for mine, its in zip(bills[OURS], bills[name], strict=True)]
        figures.append(Figure(f"month, {OURS}, against {name}", _median(over), TIMES, at_most=1.0))
    for name in ("LRU hot disk", OURS, "Lepton: tiers alone, hot included"):
        share = _median([bill.hits for bill in bills[name]])
        figures.append(Figure(f"bytes from the hot disk: {name}", 100 * share, "%"))
    figures.append(Figure("bytes from the hot disk: bound", 100 * _median(ceilings), "%"))
    return figures


def _looked_through(rounds: int) -> list[Figure]:
    """Serve a month in which a large dataset is looked through once a day, by both rules."""
    worlds = [world(FIRST + number, looks=1) for number in range(rounds)]
    figures = []
    for name, half_life in (("LRU", None), ("scores", HALF_LIFE)):
        bills = [play(given, Nothing(), Disk(given, half_life)) for given in worlds]
        share = 100 * _median([bill.hits for bill in bills])
        title = f"bytes from the hot disk, one look a day through a large dataset: {name}"
        figures.append(Figure(title, share, "%"))
    return figures


def _settings() -> str:
    """Choose the settings by seeds that are not reported; compare them with the defaults."""
    worlds = [world(seed) for seed in LEARNT]
    found = {}
    for values in itertools.product(*GRID.values()):
        chosen = dict(zip(GRID, values, strict=True))
        found[values] = statistics.mean(ours(given, **chosen).money for given in worlds)
    best = min(found, key=lambda values: found[values])
    standard = statistics.mean(ours(given).money for given in worlds)
    defaults = Tiers({})
    return (
        f"Of {len(found)} settings, seeds {LEARNT[0]} to {LEARNT[-1]} liked best a half-life of "
        f"{best[0]:g} days, a horizon of {best[1]:g} days and a doubt of {best[2]:g}: "
        f"{found[best]:.0f} USD; the defaults ({defaults.half_life_days:g}, "
        f"{defaults.horizon_days:g}, {defaults.doubt:g}): {standard:.0f} USD; the worst: "
        f"{max(found.values()):.0f} USD. The figures are of other seeds, from {FIRST} on."
    )


def draw(bills: Mapping[str, list[Bill]], bounds: list[float], ceilings: list[float]) -> None:
    """Plot the bills, the hit rates, and how the month's bill grows."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (costs, hits, days) = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    names = list(bills)
    _draw_costs(costs, bills, bounds)
    shares = [[100 * bill.hits for bill in bills[name]] for name in names]
    hits.barh(names, [_median(one) for one in shares], color=_colours(names))
    for row, one in enumerate(shares):
        hits.plot(one, [row] * len(one), ".", color="#333333", markersize=4)
    hits.axvline(100 * _median(ceilings), color="#333333", linestyle="--", linewidth=1)
    hits.set(xlabel="bytes served by the hot disk, % (dashed: bound)", xlim=(0, 102))
    hits.set_yticks(range(len(names)), [""] * len(names))
    for name, colour in zip(names, _colours(names), strict=True):
        daily = bills[name][0].daily
        style = "-" if name.startswith("Lepton") else "--"
        days.plot(range(1, MONTH + 1), daily, style, color=colour, label=name, linewidth=1.6)
    days.set(xlabel="day of the month", ylabel="USD so far (first month)", ylim=(0, None))
    days.legend(fontsize=7, frameon=False)
    for axes in (costs, hits, days):
        axes.spines[["top", "right"]].set_visible(False)
    costs.invert_yaxis()
    hits.invert_yaxis()
    figure.savefig(PLOT, dpi=110)
    plt.close(figure)


def _draw_costs(axes: Any, bills: Mapping[str, list[Bill]], bounds: list[float]) -> None:
    names, left = list(bills), [0.0] * len(bills)
    for part, colour in (("storage", "#2b87d1"), ("reading", "#e39a2d"), ("moving", "#a05fb4")):
        values = [_median([getattr(bill, part) for bill in bills[name]]) for name in names]
        axes.barh(names, values, left=left, color=colour, label=part)
        left = [a + b for a, b in zip(left, values, strict=True)]
    for row, name in enumerate(names):
        money = [bill.money for bill in bills[name]]
        axes.plot(money, [row] * len(money), ".", color="#333333", markersize=4)
    axes.axvline(_median(bounds), color="#333333", linestyle="--", linewidth=1)
    axes.set(xlabel="USD in the month (bars: medians; dots: months; dashed: bound)")
    axes.legend(fontsize=8, frameon=False, loc="lower right")


def _colours(names: list[str]) -> list[str]:
    palette = ["#9aa3ad", "#d9453d", "#e08a85", "#e39a2d", "#7fbf8f", "#2b87d1", "#2e9e5b"]
    return palette[: len(names)]


def _median(values: list[float]) -> float:
    return statistics.median(values)
