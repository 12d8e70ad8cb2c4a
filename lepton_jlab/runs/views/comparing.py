"""Draw runs beside one another: the comparison with one plot of all curves, and the listing."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lepton_jlab.runs import words
from lepton_jlab.runs.metrics import better, leading, opposite
from lepton_jlab.runs.views import page
from lepton_jlab.runs.views.columns import (
    cost_columns,
    is_numeric,
    metric_cells,
    metric_names,
    param_cells,
    param_names,
)
from lepton_jlab.runs.views.curve import COLOURS, INK, Series, chart
from lepton_jlab.runs.views.page import Rows, RunDict
from lepton_jlab.runs.views.table import Cell, Table

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
    title = " · ".join(filter(None, [f"{len(runs)} runs", _common_name(runs)]))
    head = f"<p><b>{escape(title)}</b> <i>{escape(_differ(runs))}</i></p>"
    plots = _plots(ranked[:_ROWS], histories, metric, colours) if metric else ""
    left = len(ranked) - _ROWS
    more = f"<p><i>… {left:,} more: <code>--json</code> has all</i></p>" if left > 0 else ""
    table = _comparison(ranked, colours, among=runs)
    del table.rows[_ROWS:]
    return page.frame(head, table.html(), more, plots)


def compare_text(runs: Sequence[RunDict], metric: str | None = None) -> str:
    """Write a comparison as text; a star marks the best of a column."""
    metric = metric or _metric(runs)
    return _comparison(_ranked(runs, metric), {}, among=runs).text()


def listing_html(runs: Sequence[RunDict], now: float | None = None) -> str:
    """Draw a list of runs."""
    if not runs:
        return page.frame("<p><i>No runs yet. Start one: <code>%%lepton run</code></i></p>")
    return page.frame(_listing(runs, now).html())


def listing_text(runs: Sequence[RunDict], now: float | None = None) -> str:
    """Write a list of runs as text."""
    return _listing(runs, now).text() if runs else "No runs yet. Start one: %%lepton run"


def _metric(runs: Sequence[RunDict]) -> str | None:
    return leading(metric_names(runs))


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
    keys = param_names(runs)
    texts = {key: {repr((run.get("params") or {}).get(key)) for run in runs} for key in keys}
    return [key for key in keys if len(texts[key]) > 1]


def _common_name(runs: Sequence[RunDict]) -> str:
    """Return the name that all runs have, as those of one sweep do."""
    names = {run.get("name") or "" for run in runs}
    return names.pop() if len(names) == 1 and len(runs) > 1 else ""


def _differ(runs: Sequence[RunDict]) -> str:
    """Write which parameters are the same in all runs."""
    differing = _differing(runs)
    first: Mapping[str, Any] = (runs[0].get("params") if runs else None) or {}
    same = {key: value for key, value in first.items() if key not in differing}
    return f"all with {page.params_text(same)}" if same else ""


def _comparison(
    ranked: Sequence[RunDict], colours: Mapping[str, str], *, among: Sequence[RunDict]
) -> Table:
    """Return the table; metrics are in the order in which `among` have them, as in a sweep."""
    keys, names = _differing(among), metric_names(among)
    said = {_common_name(among)}  # in the title
    columns = [
        [_swatched(run, page.called(run, but=said), colours) for run in ranked],
        *(param_cells(ranked, key) for key in keys),
        *(metric_cells(ranked, name, among) for name in names),
        [Cell(page.span(run)) for run in ranked],
        *cost_columns(ranked).values(),
        [Cell(page.outcome(run), page.mark(run)) for run in ranked],
    ]
    right = {1 + i for i, key in enumerate(keys) if is_numeric(among, key)}
    costs = list(cost_columns(ranked))
    right |= set(range(1 + len(keys), 2 + len(keys) + len(names) + len(costs)))
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Table(["run", *keys, *names, "time", *costs, "state"], frozenset(right), rows)


def _swatched(run: RunDict, called: str, colours: Mapping[str, str]) -> Cell:
    """Return a run's name, beside the colour of its curves where there are any."""
    colour = colours.get(run["id"], INK)
    swatch = f'<span style="color:{colour}">■</span> ' if colours else ""
    return Cell(called, swatch + escape(called))


def _plots(
    runs: Sequence[RunDict], histories: Mapping[str, Rows], metric: str, colours: Mapping[str, str]
) -> str:
    """Draw the metric, and beside it one of the other kind: an accuracy beside a loss."""
    logged = dict.fromkeys(
        name for run in runs for row in histories.get(run["id"], ()) for name in row
    )
    shown = list(
        filter(None, [metric, opposite(metric, (n for n in logged if n not in {"step", "t"}))])
    )
    counted = {page.step_name(run) for run in runs if histories.get(run["id"])}
    steps = counted.pop() if len(counted) == 1 else "step"
    across = _differing(runs)
    plots = []
    for name in shown:
        series = [_series(run, across, histories, name, colours) for run in runs]
        width, last = (560, True) if len(shown) == 1 else (350, name == shown[-1])
        plots.append(chart(series, name, across=steps, width=width, height=230, legend=last))
    return "".join(plots)


def _series(
    run: RunDict,
    keys: Sequence[str],
    histories: Mapping[str, Rows],
    metric: str,
    colours: Mapping[str, str],
) -> Series:
    params = {key: value for key, value in (run.get("params") or {}).items() if key in keys}
    label = " ".join(filter(None, [run["id"], page.params_text(params)]))
    course = page.points(histories.get(run["id"], ()), metric)
    colour = colours.get(run["id"], INK)
    return Series(label, course, colour, faint=run["id"] not in colours)


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
                Cell(" ".join([page.outcome(run), *state]), " ".join([page.mark(run), *state])),
                Cell(page.params_text(run.get("params") or {})),
                Cell(told),
                Cell(page.span(run, at)),
                Cell(words.moment(submitted, at) if submitted else ""),
            ]
        )
    return table
