"""A person watches and cancels runs in a panel, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest
from notebook import Notebook

import lepton_jlab as lepton

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.usefixtures("light")]

LOAD = "%load_ext lepton_jlab\nimport lepton_jlab as lepton"
STEPS = """%%lepton run --sweep rate=1,2,3 --name {name}
import pathlib, time
step = 0
while not pathlib.Path("go-on").exists():
    step += 1
    lepton.log(count=step, step=step)
    time.sleep(0.02)"""
THREADS = "import threading; print([t.name for t in threading.enumerate() if 'panel' in t.name])"


def count_in(row: Any) -> int:
    """Return the number that a run's row shows, once it shows one."""
    row.get_by_text("count ").wait_for()
    return int(row.get_by_text("count ").inner_text().split()[-1])


def wait_for_more(page: Any, row: Any) -> None:
    """Look until a run's row shows a greater number than now."""
    before = count_in(row)
    page.wait_for_function(
        "([row, n]) => Number(row.innerText.match(/count (\\d+)/)[1]) > n",
        arg=[row.element_handle(), before],
    )


def row_of(panel: Any, label: str) -> Any:
    return panel.locator(".lepton-run").filter(has=panel.page.get_by_label(label))


def cancel(panel: Any, label: str) -> None:
    """Choose a run, press Cancel, agree, and wait until it is."""
    panel.get_by_label(label).check()
    panel.get_by_role("button", name="Cancel").click()
    panel.get_by_text(f"Cancel {label.split()[0]}?").wait_for()
    panel.get_by_role("button", name="Cancel it").click()
    row_of(panel, label).get_by_text("cancelled").wait_for()


def test_runs_are_watched_and_cancelled_through_reload_and_restart(
    page: Any, lab: Any, cluster: lepton.Cluster
) -> None:
    page.set_default_timeout(15_000)
    cells = [LOAD, "%lepton panel", STEPS.format(name="lab"), THREADS, THREADS]
    book = Notebook.of(page, lab.root / "panel.ipynb", cells)
    for index in (0, 1, 2):
        book.run(index)
    panel = book.output(1).locator(".lepton-panel")
    panel.scroll_into_view_if_needed()
    panel.get_by_text("free").first.wait_for()  # a worker, in the view of clusters
    book.photograph("panel-clusters")
    panel.get_by_role("tab", name="Runs").click()
    ids = [run.id for run in lepton.run("lab")]
    first, second = row_of(panel, f"{ids[0]} lab"), row_of(panel, f"{ids[1]} lab")
    wait_for_more(page, first)
    assert "place 1" in row_of(panel, f"{ids[2]} lab").inner_text()
    book.photograph("panel-runs")
    cancel(panel, f"{ids[0]} lab")
    assert lepton.run(ids[0]).state == "cancelled"
    wait_for_more(page, second)

    book.save()
    page.reload()
    page.wait_for_selector("#jupyterlab-splash", state="detached")
    page.evaluate("async () => { await window.jupyterapp.restored; }")
    panel.get_by_role("tab", name="Runs").wait_for()
    wait_for_more(page, second)
    book.run(3)
    book.wait_for(3, "['lepton-panel']")

    book.command("notebook:clear-cell-output")  # of the cell after that, which has none
    book.cell(1).locator(".cm-content").click()
    picture = book.output(1).get_by_text("runs: ").first
    book.command("kernelmenu:restart")
    page.locator(".jp-Dialog").get_by_role("button", name="Restart").click()
    book.output(1).locator(".lepton-panel").wait_for(state="detached")
    book.photograph("panel-restarted")
    book.run(4)
    book.wait_for(4, "[]")
    (lab.root / "go-on").touch()
    lepton.run("lab").wait(60)
