"""A person watches and cancels runs in a panel, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import re
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
    cells = [LOAD, "%lepton panel", STEPS.format(name="lab"), THREADS, THREADS]
    book = Notebook.of(page, lab.root / "panel.ipynb", cells)
    for index in (0, 1, 2):
        book.run(index)
    panel = book.output(1).locator(".lepton-panel")
    panel.scroll_into_view_if_needed()
    panel.get_by_role("button", name="Stop").wait_for()  # in the view of clusters
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
    panel.get_by_role("tab", name="Runs").wait_for()
    wait_for_more(page, second)
    book.run(3)
    book.wait_for(3, "['lepton-panel']")

    # Not by `command`, which would wait for the answer to the question.
    page.evaluate("() => { window.jupyterapp.commands.execute('kernelmenu:restart'); }")
    page.locator(".jp-Dialog").get_by_role("button", name="Confirm").click()
    book.output(1).locator(".lepton-still table").first.wait_for()
    panel.wait_for(state="hidden")
    book.photograph("panel-restarted")
    book.run(4)
    book.wait_for(4, "[]")
    (lab.root / "go-on").touch()
    lepton.run("lab").wait(60)


def test_a_notebook_that_is_read_without_its_kernel_shows_the_picture(page: Any, lab: Any) -> None:
    book = Notebook.of(page, lab.root / "kept.ipynb", [LOAD, "%lepton panel runs"])
    book.run(0)
    book.run(1)
    book.output(1).locator(".lepton-panel").get_by_text(re.compile(r"\d+ runs")).first.wait_for()
    saved = book.save()
    picture, widget = saved.cells[1].outputs
    assert "lab" in picture.data["text/plain"]
    assert set(widget.data) == {
        "application/vnd.jupyter.widget-view+json",
        "text/html",
        "text/plain",
    }
    saved.metadata = {"kernelspec": {"name": "none-such", "display_name": "None such"}}
    nbformat.write(saved, lab.root / "kept-sent.ipynb")
    other = page.context.browser.new_page(viewport={"width": 1280, "height": 900})
    other.set_default_timeout(90_000)
    other.goto(f"{lab.url}lab/workspaces/other/tree/kept-sent.ipynb?token={lab.token}")
    other.locator(".jp-Dialog").get_by_role("button", name="No Kernel").click()
    sent = Notebook(other, lab.root / "kept-sent.ipynb")
    sent.output(1).get_by_text("lab").first.wait_for()
    sent.photograph("panel-without-kernel")
    assert "not found" not in sent.output(1).inner_text()
    assert not sent.has_kernel()
    other.close()


def test_in_notebook_7_runs_are_watched_and_cancelled(
    browser: Any, lab: Any, cluster: lepton.Cluster
) -> None:
    (lab.root / "go-on").unlink(missing_ok=True)
    cells = [LOAD, "%lepton panel runs", STEPS.format(name="seven")]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, lab.root / "seven.ipynb")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(90_000)
    page.goto(f"{lab.url}notebooks/seven.ipynb?token={lab.token}")
    seven = Notebook(page, lab.root / "seven.ipynb")
    for index in range(3):
        seven.run(index)
    panel = seven.output(1).locator(".lepton-panel")
    panel.scroll_into_view_if_needed()
    row_of(panel, "seven").first.wait_for()
    first = f"{lepton.run('seven')[0].id} seven"
    wait_for_more(page, row_of(panel, first))
    cancel(panel, first)
    seven.photograph("panel-notebook-7")
    (lab.root / "go-on").touch()
    lepton.run("seven").wait(60)
    page.close()
