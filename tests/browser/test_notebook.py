"""A person opens a notebook in JupyterLab, runs it, and reloads the page."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conditions import wait_until

import lepton_jlab as lepton

pytestmark = [pytest.mark.browser, pytest.mark.integration]

CELLS = [
    "%load_ext lepton_jlab",
    "%lepton cluster start --workers 2 --threads 1 --name by-hand",
    "%%lepton run --sweep a=1,2 --name by-hand -o sweep\n"
    "for step in range(3):\n    lepton.log(score=a * step)\n"
    "print('a is', a)",
    "sweep.wait()\n%lepton runs compare sweep",
    "%lepton cluster stop by-hand",
]


@pytest.fixture
def notebook(lab: Any) -> Path:
    """Write the notebook into the lab's root folder."""
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    book.cells[0].source += "\nimport lepton_jlab as lepton"
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    path = lab.root / "by-hand.ipynb"
    nbformat.write(book, path)
    return path


def test_a_notebook_run_by_hand_draws_its_runs_and_keeps_them(page: Any, notebook: Path) -> None:
    kernel = {"name": "python3"}
    command(page, "docmanager:open", {"path": notebook.name, "kernel": kernel})
    panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    panel.wait_for(state="visible")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000)
    start(page, "notebook:run-all-cells")
    outputs = panel.locator(".jp-OutputArea-output")
    stopped = outputs.get_by_text("by-hand")
    page.wait_for_timeout(45000); page.screenshot(path="/tmp/dbg.png"); stopped.last.wait_for(timeout=60_000)
    wait_until(lambda: "Stopped" in panel.inner_text() or "stopped" in panel.inner_text(), 120)
    shown = panel.inner_text()
    for row in ("a is 1", "a is 2"):
        assert row in shown or row in panel.inner_html()
    command(page, "docmanager:save")

    sweep = lepton.run("by-hand")
    assert [run.params for run in sweep] == [{"a": 1}, {"a": 2}]
    assert [run.state for run in sweep] == ["done", "done"]
    assert [run.metrics for run in sweep] == [{"score": 2.0}, {"score": 4.0}]

    wait_until(lambda: '"execution_count": 4' in notebook.read_text(), 20)
    saved = nbformat.read(notebook, as_version=4)
    drawn = saved.cells[2].outputs[0]
    assert {"text/html", "text/plain"} <= set(drawn.data)
    assert "done" in drawn.data["text/plain"]
    assert "widget" not in json.dumps(drawn)

    page.reload()
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)
    page.get_by_text("done").first.wait_for(timeout=60_000)
    if folder := os.environ.get("LEPTON_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / "notebook.png"))


def command(page: Any, name: str, arguments: dict[str, Any] | None = None) -> None:
    """Execute a JupyterLab command; the arrow returns nothing, for a widget cannot be sent."""
    page.evaluate(
        "async ([name, args]) => { await window.jupyterapp.commands.execute(name, args); }",
        [name, arguments or {}],
    )


def start(page: Any, name: str) -> None:
    """Start a JupyterLab command that takes as long as the cells it runs."""
    page.evaluate("(name) => { window.jupyterapp.commands.execute(name); }", name)
