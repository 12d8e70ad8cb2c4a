"""Draw runs beside one another: the comparison with one plot of all curves, and the listing."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lepton_jlab.runs import page, words
from lepton_jlab.runs.curve import COLOURS, INK, Series, chart
from lepton_jlab.runs.metrics import best, better, leading
from lepton_jlab.runs.page import Rows, RunDict
from lepton_jlab.runs.table import Cell, Table

_ROWS = 50  # the best


def compare_html(
    runs: Sequence[RunDict], histories: Mapping[str, Rows], metric: str | None = None
) -> str:
    """Draw a comparison: a table with the best marked, one plot with the curves of all runs.

    Parameters
    ----------
    runs
        As `Run.to_dict` gives them.
    histories
        Their steps, by run id.
    metric
        What to rank by and to plot; without it a loss, on validation data if there is one.
    """
    metric = metric or _metric(runs)
    ranked = _ranked(runs, metric)
    colours = {run["id"]: COLOURS[i] for i, run in enumerate(ranked[: len(COLOURS)])}
    head = f"<p><b>{len(runs)} runs</b> <i>{escape(_differ(runs))}</i></p>"
    plot = _plot(ranked[:_ROWS], histories, metric, colours) if metric else ""
    left = len(ranked) - _ROWS
    more = f"<p><i>… {left:,} more: <code>--json</code> has all</i></p>" if left > 0 else ""
    table = _comparison(ranked, metric, colours)
    del table.rows[_ROWS:]
    return page.frame(head, table.html(), more, plot)


def compare_text(runs: Sequence[RunDict], metric: str | None = None) -> str:
    """Write a comparison as text; a star marks the best of a column."""
    metric = metric or _metric(runs)
    return _comparison(_ranked(runs, metric), metric, {}).text()


def listing_html(runs: Sequence[RunDict], now: float | None = None) -> str:
    """Draw a list of runs."""
    if not runs:
        return page.frame("<p><i>No runs yet. Start one: <code>%%lepton run</code></i></p>")
    return page.frame(_listing(runs, now).html())


def listing_text(runs: Sequence[RunDict], now: float | None = None) -> str:
    """Write a list of runs as text."""
    return _listing(runs, now).text() if runs else "No runs yet. Start one: %%lepton run"


def _metric(runs: Sequence[RunDict]) -> str | None:
    return leading(dict.fromkeys(name for run in runs for name in run.get("metrics") or ()))


def _ranked(runs: Sequence[RunDict], metric: str | None) -> list[RunDict]:
    """Order runs from best to worst; those without a value come last, in their own order."""
    sign = 1 if metric is None or better(metric) == "min" else -1

    def place(run: RunDict) -> float:
        value = (run.get("metrics") or {}).get(metric)
        if isinstance(value, int | float) and math.isfinite(value):
            return sign * float(value)
        return math.inf

    return sorted(runs, key=place)


def _differing(runs: Sequence[RunDict]) -> list[str]:
    keys = dict.fromkeys(key for run in runs for key in run.get("params") or ())
    texts = {key: {repr((run.get("params") or {}).get(key)) for run in runs} for key in keys}
    return [key for key in keys if len(texts[key]) > 1]


def _differ(runs: Sequence[RunDict]) -> str:
    """Write which parameters are the same in all runs."""
    differing = _differing(runs)
    first: Mapping[str, Any] = (runs[0].get("params") if runs else None) or {}
    same = {key: value for key, value in first.items() if key not in differing}
    return f"all with {page.params_text(same)}" if same else ""


def _comparison(runs: Sequence[RunDict], metric: str | None, colours: Mapping[str, str]) -> Table:
    keys = _differing(runs)
    names = list(dict.fromkeys(name for run in runs for name in run.get("metrics") or ()))
    if metric in names:
        names = [metric, *(name for name in names if name != metric)]
    tops = {
        name: best({run["id"]: (run.get("metrics") or {}).get(name) for run in runs}, name)
        for name in names
    }
    right = frozenset(range(1 + len(keys), 2 + len(keys) + len(names)))
    table = Table(["run", *keys, *names, "time", "state"], right)
    for run in runs:
        values, params = run.get("metrics") or {}, run.get("params") or {}
        called = page.called(run)
        swatch = f'<span style="color:{colours.get(run["id"], INK)}">■</span> ' if colours else ""
        row = [Cell(called, swatch + escape(called))]
        row += [Cell(words.shortened(words.number(params.get(key, "")), 24)) for key in keys]
        row += [
            Cell(words.number(values.get(name, "")), best=tops[name] == run["id"]) for name in names
        ]
        row += [Cell(page.span(run)), Cell(run["state"], page.mark(run["state"]))]
        table.rows.append(row)
    return table


def _plot(
    runs: Sequence[RunDict], histories: Mapping[str, Rows], metric: str, colours: Mapping[str, str]
) -> str:
    keys = _differing(runs)
    series = []
    for run in runs:
        params = {key: value for key, value in (run.get("params") or {}).items() if key in keys}
        label = " ".join(filter(None, [run["id"], page.params_text(params)]))
        course = page.points(histories.get(run["id"], ()), metric)
        colour = colours.get(run["id"], INK)
        series.append(Series(label, course, colour, faint=run["id"] not in colours))
    return chart(series, metric, width=620, height=240)


def _listing(runs: Sequence[RunDict], now: float | None) -> Table:
    at = time.time() if now is None else now
    table = Table(
        ["run", "name", "state", "parameters", "metrics", "time", "since"], frozenset({5})
    )
    for run in runs:
        submitted = run.get("submitted")
        name = run["name"] if run.get("name") != run["id"] else ""
        metrics = dict(list((run.get("metrics") or {}).items())[:3])
        state = [page.progress_text(run)] if run["state"] == "running" else []
        error = (run.get("error") or {}).get("message", "")
        told = page.metrics_text(metrics) or words.shortened(str(error), 60)
        table.rows.append(
            [
                Cell(run["id"]),
                Cell(name or ""),
                Cell(" ".join([run["state"], *state]), " ".join([page.mark(run["state"]), *state])),
                Cell(page.params_text(run.get("params") or {})),
                Cell(told),
                Cell(page.span(run, at)),
                Cell(words.moment(submitted, at) if submitted else ""),
            ]
        )
    return table
