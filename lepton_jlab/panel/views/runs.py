"""The view of runs: a live list, and the details, cancelling and comparing of those chosen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from html import escape
from typing import ClassVar

from ipywidgets import HTML, Checkbox, Dropdown, HBox, Layout, Text, VBox

from lepton_jlab.panel.asking import Asking, Tell, button
from lepton_jlab.panel.facts.runs import Recent
from lepton_jlab.panel.figures import strip
from lepton_jlab.panel.views.view import View
from lepton_jlab.runs import words
from lepton_jlab.runs.records import ACTIVE
from lepton_jlab.runs.run import Run, cancel_all, runs_of
from lepton_jlab.runs.views import page
from lepton_jlab.runs.views.comparing import compare_html
from lepton_jlab.runs.views.drawing import run_html
from lepton_jlab.runs.views.page import RunDict

_ROWS = 10  # on one page of the list
_TAIL = 2**16  # bytes of a run's output
_SHOWN = ("all", "active", "done", "failed", "cancelled", "lost")
_HEADER = ("state", "", "parameters", "metrics", "", "time")
_WIDTHS = "92px 130px minmax(60px,1fr) minmax(90px,1.3fr) 88px 66px"


class RunsView(View):
    """Rows with a box to choose each; one chosen shows its details, several are compared."""

    name: ClassVar[str] = "runs"

    def build(self) -> VBox:
        """Make the widgets; called once."""
        self._first = 0
        self._chosen: list[str] = []
        self._drawn: tuple[object, ...] = ()
        self._summary, self._details, self._place = HTML(), HTML(), HTML()
        self._states = Dropdown(options=_SHOWN, layout=Layout(width="110px"), tooltip="which")
        self._search = Text(
            placeholder="id, name, parameter", layout=Layout(width="190px"), tooltip="search"
        )
        for field in (self._states, self._search):
            field.observe(lambda _: self._turn(0), "value")
        self._newer = button("Newer", "angle-left", lambda: self._turn(self._first - _ROWS))
        self._older = button("Older", "angle-right", lambda: self._turn(self._first + _ROWS))
        self._rows = [_Row(self._choose) for _ in range(_ROWS)]
        self._cancel = Asking("Cancel", self._question, "Cancel it", self._cancelled, icon="stop")
        self._rerun = button("Run again", "repeat", self._again)
        self._clear = button("Choose none", "", lambda: self._choose_only([]))
        centre = Layout(align_items="center", flex_flow="row wrap")
        self._actions = HBox([], layout=centre)
        top = [self._states, self._search, self._newer, self._older, self._place, self._summary]
        header = HBox(
            [
                HTML(_grid(["run"], "lepton-row lepton-head"), layout=Layout(width="150px")),
                HTML(_grid(_HEADER, "lepton-row lepton-head"), layout=Layout(flex="1 1 auto")),
            ]
        )
        list_ = VBox([header, *self._rows], layout=Layout(width="100%"))
        return VBox([HBox(top, layout=centre), list_, self._actions, self._details])

    def refresh(self) -> None:
        """Read what this page of the list shows, and show it."""
        shown = self._states.value
        self.facts.states = {"all": "", "active": ",".join(ACTIVE)}.get(shown, shown)
        self.facts.words = self._search.value
        self.facts.limit = self._first + _ROWS
        super().refresh()

    def draw(self) -> None:
        """Show the facts."""
        facts: Recent = self.facts
        shown = facts.rows[self._first :]
        if not shown and self._first:
            self._turn(self._first - _ROWS)
            return
        now = time.time()
        for row, run in zip(self._rows, [*shown, *[None] * (_ROWS - len(shown))], strict=True):
            row.show(run, run is not None and run["id"] in self._chosen, now)
        self._newer.disabled = self._first == 0
        self._older.disabled = self._first + _ROWS >= facts.total
        end = self._first + len(shown)
        place = f"{self._first + 1:,} to {end:,} of {facts.total:,}" if shown else "none of these"
        self._place.value = "" if facts.total == len(shown) > 0 else page.note(place)
        self._summary.value = page.frame(page.note(facts.summary()))
        self._draw_details(now)

    def _draw_details(self, now: float) -> None:
        """Show one run, or compare several; anew only when something of it has changed."""
        runs = self._chosen_runs()
        rows = [run.to_dict() for run in runs]
        active = [run["id"] for run in rows if run["state"] in ACTIVE]
        actions = [self._cancel] * bool(active) + [self._rerun, self._clear] * bool(rows)
        if list(self._actions.children) != actions:
            self._actions.children = actions
        ticking = int(now) if any(run["state"] == "running" for run in rows) else 0
        drawn = (ticking, *((run["id"], run["state"], str(run["metrics"])) for run in rows))
        if drawn == self._drawn:
            return
        self._drawn = drawn
        if len(rows) > 1:
            histories = {run.id: run.history_rows() for run in runs}
            self._details.value = compare_html(rows, histories)
        elif rows:
            (run,) = runs
            messages = run.messages(tail=_TAIL)
            self._details.value = run_html(rows[0], messages, run.history_rows(), now=now)
        else:
            self._details.value = ""

    def _turn(self, first: int) -> None:
        self._first = max(first, 0)
        self.look()

    def _choose(self, key: str, chosen: bool) -> None:
        self._choose_only([k for k in self._chosen if k != key] + [key] * chosen)

    def _choose_only(self, keys: list[str]) -> None:
        self._chosen = keys
        self.look()

    def _chosen_runs(self) -> list[Run]:
        return runs_of([int(key[1:]) for key in self._chosen])

    def _active(self) -> list[Run]:
        return [run for run in self._chosen_runs() if run.state in ACTIVE]

    def _question(self) -> str:
        active = self._active()
        return f"Cancel {_ids(active)}?" if active else ""

    def _cancelled(self) -> None:
        runs = self._active()
        if not runs:  # they have ended meanwhile
            return

        def work(_: Tell) -> str:
            cancel_all(runs, force=False)
            return f"Cancelled: {_ids(runs)}."

        self.status.do(f"cancelling {_ids(runs)}", work, self.look)

    def _again(self) -> None:
        runs = self._chosen_runs()

        def work(_: Tell) -> str:
            new = [run.rerun() for run in runs]
            return f"{_ids(runs)} again, as {_ids(new)}."

        self.status.do(f"submitting {_ids(runs)} again", work, self.look)


class _Row(HBox):
    """One line of the list: a box to choose it, and what is known of the run."""

    def __init__(self, choose: Callable[[str, bool], None]) -> None:
        self._key = ""
        self._showing = False
        self._box = Checkbox(indent=False, layout=Layout(width="150px", flex="0 0 auto"))
        self._line = HTML(layout=Layout(flex="1 1 auto", width="0"))

        def changed(_: object) -> None:
            if not self._showing and self._key:
                choose(self._key, self._box.value)

        self._box.observe(changed, "value")
        super().__init__([self._box, self._line], layout=Layout(display="none", width="100%"))
        self.add_class("lepton-run")

    def show(self, run: RunDict | None, chosen: bool, now: float) -> None:
        """Show a run, or nothing."""
        self.layout.display = "none" if run is None else "flex"
        if run is None:
            self._key = ""
            return
        self._showing = True
        self._key = run["id"]
        self._box.description = words.shortened(page.called(run), 20)
        self._box.value = chosen
        self._showing = False
        self._line.value = _line(run, now)


def _line(run: RunDict, now: float) -> str:
    values = run["spark"]
    told = page.metrics_text(dict(list((run.get("metrics") or {}).items())[:3]))
    error = (run.get("error") or {}).get("message") or ""
    cells = [
        page.mark(run),
        _how_far(run),
        escape(page.params_text(run.get("params") or {})),
        escape(words.shortened(str(error), 60) if error else told),
        strip(_scaled(values), run["spark_metric"], size=(88, 18)) if len(values) > 1 else "",
        escape(page.span(run, now) if run["state"] != "queued" else ""),
    ]
    return _grid(cells)


def _grid(cells: Sequence[str], kind: str = "lepton-row") -> str:
    inner = "".join(f'<span class="lepton-cell">{cell}</span>' for cell in cells)
    return f'<div class="lepton {kind}" style="grid-template-columns:{_WIDTHS}">{inner}</div>'


def _how_far(run: RunDict) -> str:
    if run["state"] == "queued":
        return escape(page.span(run).removesuffix(" in the queue"))
    if run["state"] != "running":
        return escape(page.pruned_text(run))
    share = page.share_done(run)
    drawn = page.bar(share, page.progress_text(run)) if share is not None else ""
    return drawn + escape(page.progress_short(run))


def _scaled(values: list[float]) -> list[float]:
    """Return values from 0 at the lowest up, so that a course fills its strip."""
    low = min(values)
    return [value - low for value in values]


def _ids(runs: Sequence[Run]) -> str:
    return ", ".join(run.id for run in runs)
