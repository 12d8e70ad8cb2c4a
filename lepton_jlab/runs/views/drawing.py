"""Draw one run, or the runs of a sweep, as HTML for the notebook and as text for the terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lepton_jlab.cost.pricing import together
from lepton_jlab.runs import words
from lepton_jlab.runs.metrics import leading
from lepton_jlab.runs.views import page
from lepton_jlab.runs.views.columns import (
    best_of,
    is_numeric,
    metric_cells,
    metric_names,
    param_cells,
    param_names,
)
from lepton_jlab.runs.views.comparing import compare_html, compare_text, listing_html, listing_text
from lepton_jlab.runs.views.curve import span, sparkline
from lepton_jlab.runs.views.output import (
    Message,
    Output,
    arranged,
    traceback_html,
    traceback_text,
)
from lepton_jlab.runs.views.page import Rows, RunDict
from lepton_jlab.runs.views.table import Cell, Table
from lepton_jlab.runs.views.why import why_html, why_text

__all__ = [
    "compare_html",
    "compare_text",
    "listing_html",
    "listing_text",
    "run_html",
    "run_text",
    "sweep_html",
    "sweep_text",
]

SHOWN = 30  # rows of a sweep's table
_UNFOLDED = 4  # a sweep of up to so many runs shows their output as it comes
_METRICS = 6
_NAMED = 6  # so many names that came along are written out


def run_html(
    run: RunDict, messages: Sequence[Message], history: Rows, *, now: float | None = None
) -> str:
    """Draw one run.

    Parameters
    ----------
    run
        As `Run.to_dict` gives it.
    messages
        What it said, oldest first; the end of its record is enough.
    history
        One mapping a step: ``{"step": 3, "loss": 0.2}``.
    now
        Seconds since the epoch, for the time that a running run has taken.
    """
    output = arranged(messages)
    worker = f"worker {run['worker']}" if run.get("worker") not in (None, "") else ""
    early = page.pruned_text(run)
    known = [page.params_text(run.get("params") or {}), early, page.span(run, now), worker]
    about = " · ".join(filter(None, known))
    head = f"{page.mark(run)} <b>{escape(page.called(run))}</b> <i>{escape(about)}</i>"
    parts = [f"<p>{head}</p>", _progress_html(run), _error_line_html(run)]
    if run.get("metrics"):
        items = run["metrics"].items()
        listed = " · ".join(f"{escape(n)} <b>{escape(words.number(v))}</b>" for n, v in items)
        parts.append(f"<p>{listed}</p>")
    spent = " · ".join(filter(None, [page.cost_text(run), page.estimate_text(run)]))
    more = (page.replicas_text(run), spent, page.stream_text(run))
    parts += [f"<p><i>{escape(told)}</i></p>" for told in more if told]
    parts += [page.charts(history, page.step_name(run)), _output_html(run, output)]
    if run.get("values"):
        parts.append(f"<p><i>results: {escape(', '.join(run['values']))}</i></p>")
    return page.frame(*parts, why_html(run), _brought_html(run))


def run_text(
    run: RunDict,
    messages: Sequence[Message] = (),
    *,
    lines: int = 40,
    now: float | None = None,
) -> str:
    """Write one run as text: a line about it, then the end of its output and its error."""
    output = arranged(messages)
    head = [page.title(run), page.pruned_text(run) or run["state"], page.span(run, now)]
    if run["state"] == "running":
        head.append(page.progress_text(run))
    head += [page.metrics_text(run.get("metrics") or {}), page.cost_text(run)]
    head += [page.estimate_text(run), page.replicas_text(run), page.stream_text(run)]
    why = why_text(run) if lines else ""
    parts = [" · ".join(filter(None, head)), why, output.text(lines=lines)]
    parts.append(traceback_text(_traceback(run, output)) or _error_line(run))
    return "\n".join(filter(None, parts))


def sweep_html(
    runs: Sequence[RunDict],
    messages: Mapping[str, Sequence[Message]],
    histories: Mapping[str, Rows],
    *,
    name: str = "",
    search: Mapping[str, Any] | None = None,
    now: float | None = None,
) -> str:
    """Draw the runs of a sweep: what became of them, a table, and their output, folded.

    Parameters
    ----------
    runs
        All runs of the sweep.
    messages, histories
        By run id, of those for which they are at hand; only runs in `chosen` are drawn.
    name
        The sweep's id and name.
    search
        As `Sweep.search` gives it.
    """
    shown = chosen(runs)
    state = page.mark({"state": _state(runs, search)})
    head = f"{state} <b>{escape(name)}</b> <i>{escape(summary(runs, now))}</i>"
    parts = [f"<p>{head}</p>"]
    if search is not None:
        parts.append(page.note(page.search_text(search)))
    share = _share(runs, search)
    if share < 1:
        parts.append(f"<p>{page.bar(share, f'{share:.0%}')}</p>")
    parts.append(_table(runs, shown, histories, messages, now).html())
    if len(runs) > len(shown):
        table = f"lepton.run({runs[0].get('sweep')!r}).table()"
        left = f"{len(runs) - len(shown):,}"
        parts.append(f"<p><i>… {left} more. All of them: <code>{escape(table)}</code></i></p>")
    few = len(runs) <= _UNFOLDED
    folds = [_fold(run, messages.get(run["id"], ()), few=few) for run in shown]
    if few:
        parts += folds
    elif any(folds):
        parts.append(f"<details><summary>output</summary>{''.join(folds)}</details>")
    return page.frame(*parts, _brought_html(runs[0]) if runs else "")


def _fold(run: RunDict, messages: Sequence[Message], *, few: bool) -> str:
    """Draw one run's output under a line that opens it; of few runs, the live ones are open."""
    output = arranged(messages)
    failed = run["state"] in {"failed", "lost"}
    body = _output_html(run, output, lines=60 if few else 15)
    if failed:
        body = _error_line_html(run) + body
    if not body:
        return ""
    live = run["state"] not in page.ENDED
    opened = few and (failed or live)
    called = " ".join(filter(None, [run["id"], page.params_text(run.get("params") or {})]))
    values = run.get("metrics") or {}
    told = page.metrics_text({name: values[name] for name in metric_names([run])})
    if not opened and not told:
        told = page.progress_short(run) or words.shortened(output.last_line, 80)
    line = f"{page.mark(run)} {escape(' · '.join(filter(None, [called, told])))}"
    kind = ' class="live"' if live else ""
    return f"<details{kind}{' open' * opened}><summary>{line}</summary>{body}</details>"


def sweep_text(
    runs: Sequence[RunDict],
    *,
    name: str = "",
    search: Mapping[str, Any] | None = None,
    now: float | None = None,
) -> str:
    """Write the runs of a sweep as text: a line about all of them, and a table."""
    shown = chosen(runs)
    head = " · ".join(filter(None, [name, _state(runs, search), summary(runs, now)]))
    more = f"… {len(runs) - len(shown):,} more" if len(runs) > len(shown) else ""
    searched = page.search_text(search) if search is not None else ""
    return "\n".join(filter(None, [head, searched, _table(runs, shown, {}, {}, now).text(), more]))


def chosen(runs: Sequence[RunDict], most: int = SHOWN) -> list[RunDict]:
    """Choose the runs of a sweep that are worth a row: failed, running, best, then the first."""
    if len(runs) <= most:
        return list(runs)
    names = metric_names(runs)
    ranked = [top for name in names[:_METRICS] if (top := best_of(runs, name))]
    failed = [run["id"] for run in runs if run["state"] in {"failed", "lost"}]
    running = [run["id"] for run in runs if run["state"] == "running"]
    order = [*ranked, *failed[:10], *running[:10], *(run["id"] for run in runs)]
    kept = set(list(dict.fromkeys(order))[:most])
    return [run for run in runs if run["id"] in kept]


def summary(runs: Sequence[RunDict], now: float | None = None) -> str:
    """Write what became of many runs: ``4 runs: 2 done, 1 running, 1 queued · 12.1 s``."""
    counts = Counter(page.outcome(run) for run in runs)
    words_ = dict.fromkeys([*page.STATES, "pruned"])
    states = ", ".join(f"{counts[word]:,} {word}" for word in words_ if counts[word])
    starts = [run["started"] for run in runs if run.get("started") is not None]
    ends = [run["ended"] for run in runs if run.get("ended") is not None]
    took = ""
    if starts:
        at = time.time() if now is None else now
        end = max(ends) if len(ends) == len(runs) else at
        took = f" · {words.duration(end - min(starts))}"
    cost = together(run["cost"] for run in runs if run.get("cost"))
    estimated = page.estimates_text(runs) if len(ends) < len(runs) else ""
    more = [page.cost_text({"cost": cost}), estimated]
    told = "".join(f" · {text}" for text in more if text)
    return f"{len(runs):,} run{'s' if len(runs) != 1 else ''}: {states}{took}{told}"


def _state(runs: Sequence[RunDict], search: Mapping[str, Any] | None) -> str:
    """Return the one state that speaks for many runs; a search knows its own."""
    if search is not None:
        return str(search["state"])
    states = {run["state"] for run in runs}
    if not states <= page.ENDED:
        return "running" if states - {"queued"} else "queued"
    return next((state for state in ("failed", "lost", "cancelled") if state in states), "done")


def _share(runs: Sequence[RunDict], search: Mapping[str, Any] | None) -> float:
    if search is not None and search["state"] != "running":
        return 1.0
    parts = (1.0 if run["state"] in page.ENDED else page.share_done(run) or 0.0 for run in runs)
    many = len(runs) if search is None else search["trials"] * search["repeat"]
    return min(sum(parts) / max(many, 1), 1.0)


def _table(
    runs: Sequence[RunDict],
    shown: Sequence[RunDict],
    histories: Mapping[str, Rows],
    messages: Mapping[str, Sequence[Message]],
    now: float | None,
) -> Table:
    keys, metrics = param_names(runs), metric_names(runs)
    first = leading(metrics) or ""
    metrics = metrics[:_METRICS]
    courses = [[y for _, y in page.points(histories.get(run["id"], ()), first)] for run in shown]
    columns = [
        [Cell(run["id"]) for run in shown],
        *(param_cells(shown, key) for key in keys),
        [Cell(page.outcome(run), page.mark(run)) for run in shown],
        [_how_far(run, bool(messages.get(run["id"]))) for run in shown],
        *(metric_cells(shown, name, runs) for name in metrics),
        [Cell(page.span(run, now) if run["state"] != "queued" else "") for run in shown],
    ]
    header = ["run", *keys, "state", "", *metrics, "time"]
    right = {1 + i for i, key in enumerate(keys) if is_numeric(runs, key)}
    right |= set(range(len(keys) + 3, len(header)))
    if any(courses):
        header.append(first)
        room = span(courses)  # one for all, so that a low curve is a low value
        columns.append([Cell("", sparkline(course, within=room)) for course in courses])
    return Table(header, frozenset(right), [list(row) for row in zip(*columns, strict=True)])


def _how_far(run: RunDict, has_spoken: bool) -> Cell:
    """Return how far a run has come, its place in the queue, or why it ended as it did."""
    if run["state"] == "queued":
        return Cell(page.span(run).removesuffix(" in the queue"))
    if run["state"] in page.ENDED:
        return Cell(page.pruned_text(run) or words.shortened(_error_line(run), 44))
    text, share = page.progress_short(run), page.share_done(run)
    if not text and not run.get("metrics") and not has_spoken:
        text = "starting"
    drawn = page.bar(share, page.progress_text(run)) if share is not None else ""
    return Cell(text, drawn + escape(text))


def _progress_html(run: RunDict) -> str:
    text, share = page.progress_text(run), page.share_done(run)
    if run["state"] != "running" or not text:
        return ""
    drawn = page.bar(share, text) if share is not None else ""
    return f"<p>{drawn} <i>{escape(text)}</i></p>"


def _error_line(run: RunDict) -> str:
    """Write why a run ended as it did: ``memory: …``; an exception has its name already."""
    error: Mapping[str, Any] = run.get("error") or {}
    message = str(error.get("message") or "").strip()
    if not error or error.get("kind") == "exception":
        return message
    return f"{error['kind']}: {message}" if message else str(error["kind"])


def _error_line_html(run: RunDict) -> str:
    line = _error_line(run)
    if not line:
        return ""
    colour = page.STATES["failed"][1]
    return f'<p><b style="color:{colour}">{escape(words.shortened(line, 400))}</b></p>'


def _brought_html(run: RunDict) -> str:
    names = run.get("brought") or ()
    if not names:
        return ""
    if len(names) <= _NAMED:
        short = ", ".join(name.partition(" (")[0] for name in names)
        return f"<p><i>came along: {escape(short)}</i></p>"
    came = f"{len(names)} names came along"
    return f"<details><summary>{came}</summary>{escape(', '.join(names))}</details>"


def _traceback(run: RunDict, output: Output) -> Sequence[str]:
    return output.traceback or (run.get("error") or {}).get("traceback") or ()


def _output_html(run: RunDict, output: Output, *, lines: int = 200) -> str:
    all_of_it = f"All of it: <code>%lepton runs show {escape(run['id'])} --output</code>"
    drawn = output.html(lines=lines, rest=all_of_it)
    if run["state"] in {"queued", "running"}:
        return drawn  # an error there is one that a retry has left behind
    return drawn + traceback_html(_traceback(run, output))
