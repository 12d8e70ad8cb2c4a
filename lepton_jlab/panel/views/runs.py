"""The view of runs: a live list, and the details, cancelling and comparing of those chosen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from html import escape
from typing import ClassVar

from ipywidgets import HTML, Checkbox, Dropdown, HBox, Layout, Text, VBox

from lepton_jlab.panel.asking import Asking, Tell, button
from lepton_jlab.panel.facts.runs import matching
from lepton_jlab.panel.figures import strip
from lepton_jlab.panel.views.view import View
from lepton_jlab.runs import words
from lepton_jlab.runs.records import ACTIVE
from lepton_jlab.runs.views import page
from lepton_jlab.runs.views.comparing import compare_html
from lepton_jlab.runs.views.drawing import run_html, summary
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

    def draw(self) -> None:
        """Show the facts."""
        everything: list[RunDict] = self.facts.rows
        found = matching(everything, self._search.value, self._states.value)
        self._first = min(self._first, max(len(found) - 1, 0) // _ROWS * _ROWS)
        shown = found[self._first : self._first + _ROWS]
        now = time.time()
        for row, run in zip(self._rows, [*shown, *[None] * (_ROWS - len(shown))], strict=True):
            course = self.facts.course(run) if run else ("", [])
            row.show(run, course, run is not None and run["id"] in self._chosen, now)
        self._newer.disabled = self._first == 0
        self._older.disabled = self._first + _ROWS >= len(found)
        end = self._first + len(shown)
        few = len(found) <= _ROWS
        self._place.value = "" if few else page.note(f"{self._first + 1} to {end} of {len(found)}")
        nothing = "No runs yet. Start one: %%lepton run"
        self._summary.value = page.frame(page.note(summary(everything) if everything else nothing))
        known = {run["id"]: run for run in everything}
        self._chosen = [key for key in self._chosen if key in known]
        self._draw_details([known[key] for key in self._chosen], now)

    def _draw_details(self, chosen: list[RunDict], now: float) -> None:
        """Show one run, or compare several; anew only when something of it has changed."""
        active = any(run["state"] in ACTIVE for run in chosen)
        actions = [self._cancel] * active + [self._clear] * bool(chosen)
        if list(self._actions.children) != actions:
            self._actions.children = actions
        running = int(now) if any(run["state"] == "running" for run in chosen) else 0
        drawn = (running, *((run["id"], run["state"], str(run["metrics"])) for run in chosen))
        if drawn == self._drawn:
            return
        self._drawn = drawn
        if not chosen:
            self._details.value = ""
        elif len(chosen) == 1:
            (run,) = chosen
            messages = self.facts.run(run["id"]).messages(tail=_TAIL)
            self._details.value = run_html(run, messages, self.facts.history(run["id"]), now=now)
        else:
            histories = {run["id"]: self.facts.history(run["id"]) for run in chosen}
            self._details.value = compare_html(chosen, histories)

    def _turn(self, first: int) -> None:
        self._first = max(first, 0)
        self.look()

    def _choose(self, key: str, chosen: bool) -> None:
        self._choose_only([k for k in self._chosen if k != key] + [key] * chosen)

    def _choose_only(self, keys: list[str]) -> None:
        self._chosen = keys
        self.look()

    def _active(self) -> list[str]:
        rows = {run["id"]: run for run in self.facts.rows}
        return [key for key in self._chosen if rows[key]["state"] in ACTIVE]

    def _question(self) -> str:
        return f"Cancel {', '.join(self._active())}?"

    def _cancelled(self) -> None:
        keys = self._active()

        def work(_: Tell) -> str:
            for key in keys:
                self.facts.run(key).cancel()
            return f"Cancelled: {', '.join(keys)}."

        self.status.do(f"cancelling {', '.join(keys)}", work, self.look)


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

    def show(
        self, run: RunDict | None, course: tuple[str, list[float]], chosen: bool, now: float
    ) -> None:
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
        self._line.value = _line(run, course, now)


def _line(run: RunDict, course: tuple[str, list[float]], now: float) -> str:
    metric, values = course
    told = page.metrics_text(dict(list((run.get("metrics") or {}).items())[:3]))
    error = (run.get("error") or {}).get("message") or ""
    cells = [
        page.mark(run["state"]),
        _how_far(run),
        escape(page.params_text(run.get("params") or {})),
        escape(words.shortened(str(error), 60) if error else told),
        strip(_scaled(values), metric, size=(88, 18)) if len(values) > 1 else "",
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
        return ""
    share = page.share_done(run)
    drawn = page.bar(share, page.progress_text(run)) if share is not None else ""
    return drawn + escape(page.progress_short(run))


def _scaled(values: list[float]) -> list[float]:
    """Return values from 0 at the lowest up, so that a course fills its strip."""
    low = min(values)
    return [value - low for value in values]
