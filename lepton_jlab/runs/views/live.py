"""Draw runs in the cell that asked for them, and keep the drawing up to date until they end."""

from __future__ import annotations

import atexit
import itertools
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from lepton_jlab.runs import words
from lepton_jlab.runs.views import page
from lepton_jlab.runs.views.drawing import chosen, run_html, run_text, sweep_html, sweep_text

if TYPE_CHECKING:
    from lepton_jlab.runs.run import Run
    from lepton_jlab.runs.sweep import Sweep

Target = TypeVar("Target", "Run", "Sweep")

_EVERY = 0.25  # s between two drawings, however much is printed
# Bytes of a run's record that are drawn: what is before them may hold figures, so not too few; but
# while a sweep runs, the last lines are enough.
_TAIL, _SWEEP_TAIL = 2**20, 2**16


def show(target: Run | Sweep) -> None:
    """Display a run or a sweep here, and follow it from a thread until it has ended.

    Outside a notebook one line is printed instead.
    """
    if not _in_notebook():
        print(_Drawing(target).text())
        return
    drawing = _Drawing(target)
    _drawings[drawing.id] = drawing
    drawing.open()


def wait(target: Target, file: TextIO | None = None) -> Target:
    """Wait until a run or all runs of a sweep have ended, drawing them meanwhile.

    An interrupt stops only the waiting. Outside a notebook, each change of state is a line in
    `file` (standard output by default).
    """
    try:
        if _in_notebook():
            if target.id not in _drawings:
                show(target)
            _drawings[target.id].ended.wait()
        else:
            for line in _Drawing(target).lines():
                print(line, file=file, flush=True)
    except KeyboardInterrupt:
        print(
            f"Stopped waiting; {target.id} goes on. Cancel it: %lepton runs cancel {target.id}",
            file=file,
        )
    return target


def flush() -> None:
    """Draw the last known state of everything that is being followed."""
    for drawing in list(_drawings.values()):
        if not drawing.ended.is_set():
            drawing.draw()


class _Drawing:
    """The picture of one run or sweep, with what is known of it.

    Two threads: one takes the news as fast as they come, one draws at its own pace. They never
    print: a thread's text lands in whatever cell is newest. Updates find their cell by themselves.
    """

    def __init__(self, target: Run | Sweep) -> None:
        self.id = target.id
        self.ended = threading.Event()  # … and the last state is drawn
        self._one = not isinstance(target, Sequence)
        self._target: Sequence[Run] = target if isinstance(target, Sequence) else [target]
        self._sweep = target if isinstance(target, Sequence) else None
        self.runs = list(self._target)
        self._name = " ".join(dict.fromkeys(filter(None, [self.id, target.name])))
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._over = False
        self._trouble = ""
        self._changed = {run.id for run in self.runs}  # since their dicts were read
        self._stale = set(self._changed)  # since their output was read
        self._known: dict[str, Mapping[str, Any]] = {}
        self._messages: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._histories: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._last: dict[str, str] = {}
        self._handle: Any = None

    def open(self) -> None:
        """Display the picture, and start to follow unless all is over already."""
        from IPython.display import DisplayHandle

        self._handle = DisplayHandle()
        self._last = self._bundle()
        self._handle.display(self._last, raw=True)
        ended = all(run["state"] in page.ENDED for run in self._known.values())
        if ended and not (self._sweep is not None and self._sweep.searching):
            self._close()
            return
        for work in (self._follow, self._keep_drawing):
            threading.Thread(target=work, name=f"lepton-{self.id}", daemon=True).start()

    def draw(self) -> None:
        """Update the picture, if it has changed."""
        with self._lock:
            try:
                bundle = self._bundle()
            except Exception as error:  # noqa: BLE001 -- a thread's own words would be lost
                bundle = self._with(f"Not drawn: {error}", self._last)
            if self._trouble:
                bundle = self._with(self._trouble, bundle)
            if bundle != self._last:
                self._last = bundle
                self._handle.update(bundle, raw=True)

    def lines(self) -> Iterable[str]:
        """Yield a line about each run, and another whenever its state has changed."""
        from lepton_jlab.runs.follow import follow

        said: dict[str, str] = {}
        for changed in itertools.chain([None], follow(self._target), [None]):
            self._changed |= {run.id for run in self.runs} if changed is None else set(changed)
            self._read_runs()
            for key in self._known if changed is None else changed:
                if said.get(key) != self._known[key]["state"]:
                    said[key] = self._known[key]["state"]
                    yield self._line(key)

    def text(self) -> str:
        """Return the picture as text."""
        return self._bundle()["text/plain"]

    def _line(self, key: str) -> str:
        run = self._known[key]
        error = words.shortened(str((run.get("error") or {}).get("message") or ""), 100)
        about = [page.title(run), page.pruned_text(run) or run["state"], page.span(run), error]
        return " · ".join(filter(None, [*about, page.metrics_text(run.get("metrics") or {})]))

    def _follow(self) -> None:
        from lepton_jlab.runs.follow import follow

        try:
            for changed in follow(self._target):
                with self._lock:
                    self._changed |= set(changed)
                    self._stale |= set(changed)
                self._news.set()
        except Exception as error:  # noqa: BLE001 -- as above
            self._trouble = f"No longer followed: {error}"
        self._over = True
        self._news.set()

    def _keep_drawing(self) -> None:
        while not self._over:
            self._news.wait()
            self._news.clear()
            if not self._over:
                self.draw()
                time.sleep(_EVERY)
        with self._lock:
            self._changed = {run.id for run in self.runs}
            self._stale = set(self._changed)
        self.draw()
        self._close()

    def _close(self) -> None:
        self._messages.clear()
        self._histories.clear()
        self.ended.set()

    def _read_runs(self) -> None:
        changed, self._changed = self._changed, set()
        self.runs = list(self._target)
        for run in self.runs:
            if run.id in changed or run.id not in self._known:
                self._known[run.id] = run.to_dict()

    def _bundle(self) -> dict[str, str]:
        self._read_runs()
        runs = [self._known[run.id] for run in self.runs]
        shown = {run["id"] for run in chosen(runs)}
        # One that leaves the queue is news of itself only, and yet all behind it move up.
        self._changed |= {run["id"] for run in runs if run["state"] == "queued"} & shown
        for run in self.runs:
            if run.id in shown & self._stale:
                self._stale.discard(run.id)
                tail = _TAIL if self._one or self._over else _SWEEP_TAIL
                # Nothing at all: the last message alone is longer than that.
                self._messages[run.id] = run.messages(tail=tail) or run.messages(tail=8 * _TAIL)
                self._histories[run.id] = run.history_rows()
        if self._one:
            key = self.runs[0].id
            html = run_html(runs[0], self._messages[key], self._histories[key])
            text = run_text(runs[0], self._messages[key])
        else:
            search = self._sweep.search if self._sweep is not None else None
            known = self._messages, self._histories
            html = sweep_html(runs, *known, name=self._name, search=search)
            text = sweep_text(runs, name=self._name, search=search)
        return {"text/html": html, "text/plain": text}

    @staticmethod
    def _with(remark: str, bundle: Mapping[str, str]) -> dict[str, str]:
        html, text = bundle["text/html"], bundle["text/plain"]
        return {"text/html": html + page.note(remark), "text/plain": f"{text}\n{remark}"}


# One picture for each target that was shown, so that waiting for it does not draw it again.
_drawings: dict[str, _Drawing] = {}
atexit.register(flush)


def _in_notebook() -> bool:
    """Tell whether a front end draws what is displayed here."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
