"""A notebook in JupyterLab, worked with as a person does: by keys, by clicks, by looking."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

_KERNEL_ANSWERS = """async () => {
  const { sessionContext } = window.jupyterapp.shell.currentWidget;
  await sessionContext.ready;
  await sessionContext.session.kernel.info;
}"""


class Notebook:
    """The notebook in front on a page of JupyterLab.

    Parameters
    ----------
    page
        JupyterLab, as the fixture `page` opens it.
    path
        The notebook's file, in the lab's root folder.
    """

    def __init__(self, page: Any, path: Path) -> None:
        self.page = page
        self.path = path
        self.panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    @classmethod
    def of(cls, page: Any, path: Path, cells: Sequence[str], kernel: str = "python3") -> Notebook:
        """Write a notebook of code cells, open it, and wait until its kernel answers."""
        book = nbformat.v4.new_notebook()
        book.cells = [nbformat.v4.new_code_cell(source) for source in cells]
        book.metadata.kernelspec = {"name": kernel, "display_name": kernel}
        nbformat.write(book, path)
        notebook = cls(page, path)
        notebook.open()
        page.evaluate(_KERNEL_ANSWERS)
        return notebook

    def open(self) -> None:
        """Open the notebook in a tab of its own."""
        self.command("docmanager:open", {"path": self.path.name})
        self.cell(0).wait_for()

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        """Execute a JupyterLab command; the arrow returns nothing, for a widget cannot be sent."""
        self.page.evaluate(
            "async ([name, args]) => { await window.jupyterapp.commands.execute(name, args); }",
            [name, arguments or {}],
        )

    def cell(self, index: int) -> Any:
        """Return a cell."""
        return self.panel.locator(f".jp-Cell[data-windowed-list-index='{index}']")

    def output(self, index: int) -> Any:
        """Return all that is shown below a cell."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def run(self, index: int) -> None:
        """Click into a cell and press Shift+Enter; the kernel takes such cells in turn."""
        self._edit(index)
        self.page.keyboard.press("Shift+Enter")

    def complete(self, index: int) -> list[str]:
        """Press Tab at the end of a cell; return what is offered, the first of it taken."""
        self._edit(index)
        self.page.keyboard.press("Tab")
        offers = self.page.locator(".jp-Completer:not(.lm-mod-hidden) .jp-Completer-match")
        offers.first.wait_for()
        offered = offers.all_inner_texts()
        self.page.keyboard.press("Enter")
        return [str(text) for text in offered]

    def source(self, index: int) -> str:
        """Return what is written in a cell."""
        return str(self.cell(index).locator(".cm-content").inner_text())

    def wait_for(self, index: int, text: str) -> None:
        """Look at a cell until its output shows `text`."""
        self.cell(index).scroll_into_view_if_needed()
        self.output(index).get_by_text(text).first.wait_for()

    def has_kernel(self) -> bool:
        """Tell whether the notebook has a kernel."""
        return bool(
            self.page.evaluate("!window.jupyterapp.shell.currentWidget.sessionContext.hasNoKernel")
        )

    def save(self) -> nbformat.NotebookNode:
        """Save the notebook and return what was written."""
        self.command("docmanager:save")
        return nbformat.read(self.path, as_version=4)

    def photograph(self, name: str) -> None:
        """Save a screenshot, if LEPTON_SCREENSHOTS names a folder for them."""
        if folder := os.environ.get("LEPTON_SCREENSHOTS"):
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))

    def _edit(self, index: int) -> None:
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+End")
