"""`Panel`: views in tabs, kept up to date while somebody sees them, and a picture that stays."""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Tab, VBox

from lepton_jlab.errors import UsageError, suggestion
from lepton_jlab.grammar import VIEWS
from lepton_jlab.panel import pulse
from lepton_jlab.panel.asking import Status, close_tree
from lepton_jlab.panel.audience import audience
from lepton_jlab.panel.style import GONE, STYLE
from lepton_jlab.panel.views import view_of

if TYPE_CHECKING:
    from lepton_jlab.panel.views.view import View

_WIDGET = "application/vnd.jupyter.widget-view+json"
_ABOVE = "(the same, live)"
_STILL_EVERY = 15.0  # s between two pictures in the notebook's file: each makes it unsaved


def panel(view: str | None, cluster: str | None) -> Panel:
    """Return a panel of one `view`, or all, of one `cluster`, or all: see `lepton.panel`."""
    if view is not None and view not in VIEWS:
        raise UsageError(
            f"There is no view {view!r}.{suggestion(view, VIEWS)} Views: {', '.join(VIEWS)}."
        )
    if cluster is not None:
        from lepton_jlab.cluster import get_cluster

        get_cluster(cluster)
    return Panel([view] if view else list(VIEWS), cluster)


class Panel(VBox):
    """What `lepton.panel` returns. It looks again while it is seen, until `close`.

    In a notebook it is two outputs: a picture, hidden as long as the widget is alive, and the
    widget. So a notebook that is opened without its kernel shows the picture.
    """

    def __init__(self, names: list[str], cluster: str | None) -> None:
        self._status = Status()
        self.views: dict[str, View] = {n: view_of(n, cluster, self._status) for n in names}
        self._tab: Tab | None = None
        self._still: Any = None  # the handle of the picture
        self._still_of: Hashable = None
        self._still_at = 0.0
        if len(names) > 1:
            self._tab = Tab(
                children=[view.widget for view in self.views.values()],
                titles=[name.title() for name in names],
            )
            self._tab.observe(lambda _: self.beat(), "selected_index")
        shown = self._tab or self.views[names[0]].widget
        super().__init__([HTML(f"<style>{STYLE}</style>"), shown, self._status])
        self.add_class("lepton-panel")
        self._view_count = 0  # from now on the page counts
        self.observe(self._seen, "_view_count")
        self.look()

    @property
    def view(self) -> View:
        """The view in front."""
        return list(self.views.values())[self._tab.selected_index or 0 if self._tab else 0]

    def document(self) -> Any:
        """Return what the view in front shows, for a program."""
        return self.view.facts.document()

    def look(self) -> None:
        """Look at the world once."""
        self.view.look()

    def beat(self) -> None:
        """Look again, and now and then keep what is seen in the notebook."""
        self.look()
        mark = (self.view.name, self.view.facts.mark())
        if mark != self._still_of and time.monotonic() - self._still_at > _STILL_EVERY:
            self.keep()

    def keep(self) -> None:
        """Draw what is seen as the picture that the notebook's file keeps."""
        if self._still is not None:
            self._still_of = (self.view.name, self.view.facts.mark())
            self._still_at = time.monotonic()
            self._still.update(self._bundle(), raw=True)

    def close(self) -> None:
        """Take the widget away; its last picture stays."""
        pulse.end(self)
        self.keep()
        self._still = None
        close_tree(self)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:
        """Return the widget's state; a page that asks for all of it begins to count anew."""
        if key is None and self.comm is not None:
            self._view_count = 0
        return super().get_state(key, drop_defaults)

    def _seen(self, change: Any) -> None:
        if change.new:
            pulse.begin(self)
        elif change.old:
            pulse.end(self)

    def _bundle(self) -> dict[str, str]:
        facts = self.view.facts
        return {
            "text/html": f'<div class="lepton-still"><style>{GONE}</style>{facts.html()}</div>',
            "text/plain": facts.text(),
        }

    def _ipython_display_(self) -> None:
        from IPython.display import DisplayHandle, display

        seen_by = audience()
        if seen_by == "terminal":
            print(self)
            return
        handle = DisplayHandle()
        handle.display(self._bundle(), raw=True)
        if seen_by == "file":  # a widget would only be in the picture's way
            return
        self._still, self._still_at = handle, time.monotonic()
        self._still_of = (self.view.name, self.view.facts.mark())
        reference = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        display({_WIDGET: reference, "text/html": "", "text/plain": _ABOVE}, raw=True)
        _shown.add(self)
        pulse.begin(self)

    def __repr__(self) -> str:
        return str(self.view.facts.text())


_shown: weakref.WeakSet[Panel] = weakref.WeakSet()


@atexit.register
def _keep_all() -> None:
    """Leave the last picture of each panel when the kernel ends."""
    for panel in list(_shown):
        panel.keep()
