"""The view of data: the datasets of the working folder, samples of one, and running streams."""

from __future__ import annotations

from typing import ClassVar

from ipywidgets import HTML, Dropdown, HBox, Layout, VBox

import lepton_jlab as lepton
from lepton_jlab.panel.asking import Tell, button
from lepton_jlab.panel.views.view import View
from lepton_jlab.runs.views import page

_CHOOSE = "choose one"


class DataView(View):
    """A table, a choice with the figures and samples of the chosen one, and the streams."""

    name: ClassVar[str] = "data"

    def build(self) -> VBox:
        """Make the widgets; called once."""
        self._table, self._streams, self._preview = HTML(), HTML(), HTML()
        self._choice = Dropdown(
            options=[_CHOOSE], description="look into", layout=Layout(width="340px")
        )
        self._choice.observe(lambda _: self._open(), "value")
        again = button("Look again", "refresh", self._look_again)
        row = HBox([self._choice, again], layout=Layout(align_items="center"))
        return VBox([self._table, row, self._preview, self._streams])

    def draw(self) -> None:
        """Show the facts."""
        self._table.value = page.frame(self.facts.datasets_html())
        self._streams.value = page.frame(
            "<b>Streams of running runs</b>", self.facts.streams_html()
        )
        names = [_CHOOSE, *(row["name"] for row in self.facts.datasets if not row["error"])]
        if list(self._choice.options) != names:
            chosen = self._choice.value
            self._choice.options = names
            self._choice.value = chosen if chosen in names else _CHOOSE

    def _look_again(self) -> None:
        def work(_: Tell) -> str:
            self.facts.look_again()
            return ""

        self.status.do("looking for datasets", work, self.look)

    def _open(self) -> None:
        name = self._choice.value
        path = next((row["path"] for row in self.facts.datasets if row["name"] == name), None)
        if path is None:
            self._preview.value = ""
            return

        def work(_: Tell) -> str:
            self._preview.value = lepton.open_dataset(path)._repr_html_()
            return ""

        self.status.do(f"reading the first samples of {name}", work)
