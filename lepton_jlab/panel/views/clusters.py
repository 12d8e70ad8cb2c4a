"""The view of clusters: what each worker is doing; start, use, scale and stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ipywidgets import HTML, BoundedIntText, Combobox, HBox, Layout, Text, ToggleButton, VBox

import lepton_jlab as lepton
from lepton_jlab.cluster.options import installed
from lepton_jlab.commands.cluster import views
from lepton_jlab.panel.asking import Asking, Status, Tell, button, close_tree
from lepton_jlab.panel.facts.clusters import NONE
from lepton_jlab.panel.views.view import View
from lepton_jlab.runs.listing import listing
from lepton_jlab.runs.views import page

_MANY = 10_000


class ClustersView(View):
    """A form for a new cluster, and a block for each that runs."""

    name: ClassVar[str] = "clusters"

    def build(self) -> VBox:
        """Make the widgets; called once."""
        self._blocks: dict[str, _Block] = {}
        self._none = HTML(page.frame(page.note(NONE)))
        self._notes = HTML()
        self._list = VBox([self._none])
        self._form = _Form(self.status, self.look)
        return VBox([self._form, self._list, self._notes])

    def draw(self) -> None:
        """Show the facts."""
        infos = {info["name"]: info for info in self.facts.infos}
        if infos.keys() != self._blocks.keys():
            for gone in self._blocks.keys() - infos.keys():
                close_tree(self._blocks.pop(gone))
            for new in infos.keys() - self._blocks.keys():
                self._blocks[new] = _Block(new, self.status, self.look)
            self._list.children = [self._blocks[name] for name in infos] or [self._none]
        for name, info in infos.items():
            self._blocks[name].show(info)
        self._notes.value = self.facts.notes_html()


class _Form(VBox):
    """Starts a cluster; folded until it is asked for."""

    def __init__(self, status: Status, look: Any) -> None:
        self._status, self._look = status, look
        narrow = Layout(width="244px")
        self._name = Text(description="name", placeholder="after its engine", layout=narrow)
        self._engine = Combobox(
            value="auto",
            options=installed(),
            description="engine",
            ensure_option=False,
            layout=narrow,
        )
        self._workers = BoundedIntText(
            value=0, min=0, max=4096, description="workers", tooltip="0: one per device"
        )
        self._workers.layout = narrow
        self._memory = Text(description="memory each", placeholder="4GiB", layout=narrow)
        self._idle = Text(description="idle timeout", placeholder="1h", layout=narrow)
        for field in (self._name, self._engine, self._workers, self._memory, self._idle):
            field.style.description_width = "96px"
        self._start = button("Start", "play", self._begin, style="primary")
        fields = HBox(
            [self._name, self._engine, self._workers, self._memory, self._idle, self._start],
            layout=Layout(flex_flow="row wrap", align_items="center", display="none"),
        )
        self._open = ToggleButton(description="New cluster", icon="plus")
        self._open.layout = Layout(width="auto", align_self="flex-start")
        self._open.observe(
            lambda change: setattr(fields.layout, "display", "flex" if change.new else "none"),
            "value",
        )
        super().__init__([self._open, fields])

    def _begin(self) -> None:
        asked: dict[str, Any] = {
            "name": self._name.value.strip() or None,
            "engine": self._engine.value.strip() or "auto",
            "workers": self._workers.value or None,
            "memory": self._memory.value.strip() or None,
            "idle_timeout": self._idle.value.strip() or None,
        }

        def work(tell: Tell) -> str:
            started = lepton.start_cluster(**asked, progress=tell)
            self._open.value = False
            return f"Cluster {started.name} runs, and this notebook uses it."

        self._start.disabled = True
        self._status.do("starting a cluster", work, self._over)

    def _over(self) -> None:
        self._start.disabled = False
        self._look()


class _Block(VBox):
    """One cluster: its workers, and what can be done with it."""

    def __init__(self, name: str, status: Status, look: Any) -> None:
        self._name, self._status, self._look = name, status, look
        self._info: dict[str, Any] = {}
        self._view = HTML()
        self._count = BoundedIntText(
            value=1, min=0, max=4096, layout=Layout(width="64px"), tooltip="workers"
        )
        self._touched = False
        self._count.observe(lambda _: setattr(self, "_touched", True), "value")
        parts = [
            self._count,
            Asking("Scale", self._about_scaling, "Scale it", self._scale, icon="arrows-h"),
            button("Use", "check", self._use, tooltip="Send this notebook's runs to it"),
            Asking("Stop", self._about_stopping, "Stop it", self._stop, icon="stop"),
        ]
        super().__init__([self._view, HBox(parts, layout=Layout(align_items="center"))])

    def show(self, info: dict[str, Any]) -> None:
        """Show what the cluster says of itself."""
        self._info = info
        self._view.value = views(info)[1]
        if not self._touched:
            self._count.value = len(info["workers"])
            self._touched = False

    def _about_scaling(self) -> str:
        busy = self._active("running")
        if self._count.value >= len(busy):
            return ""
        return f"{_listed(busy)} may end: only {self._count.value} workers would be left."

    def _scale(self) -> None:
        count, forced = self._count.value, bool(self._about_scaling())

        def work(_: Tell) -> str:
            lepton.get_cluster(self._name).scale(count, force=forced)
            self._touched = False
            return f"{self._name}: {count} worker{'s' * (count != 1)}."

        self._status.do(f"scaling {self._name} to {count}", work, self._look)

    def _use(self) -> None:
        def work(_: Tell) -> str:
            lepton.use_cluster(self._name)
            return f"This notebook uses {self._name} now."

        self._status.do(f"using {self._name}", work)

    def _about_stopping(self) -> str:
        active = self._active("running,queued")
        return f"Stop {self._name}?" + (f" {_listed(active)} would end." if active else "")

    def _stop(self) -> None:
        forced = bool(self._active("running,queued"))

        def work(_: Tell) -> str:
            lepton.get_cluster(self._name).stop(force=forced)
            return f"Stopped: {self._name}."

        self._status.do(f"stopping {self._name}", work, self._look)

    def _active(self, states: str) -> list[str]:
        """Return the runs of this cluster that are in one of these states."""
        rows = listing(_MANY, state=states)["runs"]
        return [run["id"] for run in rows if run["cluster"] == self._name]


def _listed(runs: Sequence[str]) -> str:
    more = f" and {len(runs) - 5} more" if len(runs) > 5 else ""
    return ", ".join(runs[:5]) + more
