"""The view of resources: the machine, its GPUs, workers, runs, with their history."""

from __future__ import annotations

from typing import ClassVar

from ipywidgets import HTML, ToggleButtons, VBox

from lepton_jlab.panel.views.view import View
from lepton_jlab.runs.views import page

_RANGES = {"1 min": 60, "10 min": 600, "1 h": 3600}


class ResourcesView(View):
    """Cards with bars and strips, and two tables."""

    name: ClassVar[str] = "resources"

    def build(self) -> VBox:
        """Make the widgets; called once."""
        self._range = ToggleButtons(options=_RANGES, value=self.facts.seconds)
        self._range.style.button_width = "72px"
        self._range.observe(lambda _: self.look(), "value")
        self._host, self._workers, self._runs = HTML(), HTML(), HTML()
        return VBox([self._range, self._host, self._workers, self._runs])

    def draw(self) -> None:
        """Show the facts."""
        facts = self.facts
        if facts.seconds != self._range.value:
            facts.seconds = self._range.value
            facts.read()
        self._host.value = page.frame(facts.host_html())
        self._workers.value = page.frame(facts.workers_html())
        self._runs.value = page.frame(facts.runs_html(), facts.links_html())
