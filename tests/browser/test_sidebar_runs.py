"""From an empty lab to a cluster, a run seen live, cancelled, run again; and all comes back."""

from __future__ import annotations

import shutil
from typing import Any

import nbformat
import pytest
from conditions import wait_until
from notebook import Notebook
from sidebar import Sidebar, command, faults, theme

import lepton_jlab as lepton
from lepton_jlab.config import data_folder
from lepton_jlab.runs import records

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.usefixtures("light")]

PATIENT = """import pathlib, time, lepton_jlab as lepton
for step in range(6):
    lepton.log(loss=1 / (step + 1))
while not pathlib.Path("go-on").exists():
    time.sleep(0.02)
print("going on")"""


@pytest.fixture(scope="module")
def lab(no_older_records: None, lab: Any) -> Any:
    """A lab that nobody has used yet."""
    return lab


@pytest.fixture(scope="module")
def no_older_records() -> None:
    """Forget the runs of the tests before."""
    with records._database() as database:
        database.execute("DELETE FROM runs")
        database.execute("DELETE FROM submissions")
        database.execute("DELETE FROM sqlite_sequence")  # the next run is r1 again
    shutil.rmtree(data_folder() / "runs", ignore_errors=True)


def test_a_person_who_has_read_nothing_starts_runs_cancels_and_stops(page: Any, lab: Any) -> None:
    side = Sidebar(page)
    for name in ("clusters", "runs", "data"):  # each says what it is
        assert len(side.section(name).locator(".lps-Empty p").inner_text()) > 60
    assert "No GPU" in side.section("resources").inner_text()
    assert faults(page) == []

    # A cluster: what cannot be is said beside the field, and nothing is sent.
    side.press("New cluster", side.section("clusters").locator(".lps-Empty"))
    form = side.node.get_by_role("form", name="New cluster")
    form.get_by_label("Workers").fill("2")
    form.get_by_label("Threads").fill("1")
    form.get_by_label("Name").fill("side")
    form.get_by_label("Memory").fill("much")
    side.press("Start", form)
    assert "A size, such as 4GiB." in form.inner_text()
    assert faults(page) == []
    form.get_by_label("Memory").fill("1GiB")
    side.press("Start", form)
    side.node.get_by_role("status", name="Start cluster side").wait_for()
    card = side.cluster("side")
    card.wait_for()
    wait_until(lambda: card.locator(".lps-Worker").count() == 2)
    card.locator(".lps-Gauge-text", has_text="MB").first.wait_for()  # measured by now

    # A run, by the button of the notebook; the notebook says afterwards what happened.
    book = Notebook.of(page, lab.root / "first.ipynb", [PATIENT])
    book.cell(0).locator(".cm-content").click()
    page.get_by_role("button", name="Run this cell on the cluster").click()
    row = side.wait_for_run("r1", "running")
    row.get_by_role("img", name="loss over the steps of r1").wait_for()
    assert "0.1667" in row.inner_text()
    card.get_by_role("button", name="r1").wait_for()  # its worker says so
    assert "1 running" in page.locator(".lp-Status").inner_text()
    command(page, "docmanager:save")
    wait_until(lambda: "%%lepton run" in nbformat.read(book.path, 4).cells[1].source)
    assert nbformat.read(book.path, 4).cells[0].source.startswith("%load_ext lepton_jlab")

    # Stopping asks, and names what would be lost.
    side.press("Stop side", card)
    question = card.get_by_role("alertdialog")
    assert "r1 is running and would be ended." in question.inner_text()
    assert faults(page) == []
    page.keyboard.press("Escape")
    question.wait_for(state="detached")

    row.hover()
    side.press("Cancel r1", row)
    row = side.wait_for_run("r1", "cancelled")
    row.hover()
    side.press("Run r1 again", row)
    side.wait_for_run("r2", "running")
    (lab.root / "go-on").touch()
    side.wait_for_run("r2", "done")
    assert lepton.run("r2").output == "going on\n"

    # From a run to its cell, also when the notebook is closed.
    command(page, "docmanager:save")
    command(page, "application:close-all")
    side.run("r1").hover()
    side.press("Go to the cell that started r1", side.run("r1"))
    book.cell(1).wait_for()
    wait_until(lambda: "%%lepton run" in book.panel.locator(".jp-mod-active").inner_text())

    # Looking for runs; comparing.
    side.node.get_by_label("State").select_option("cancelled")
    wait_until(lambda: side.node.locator("[data-run]").count() == 1)
    side.node.get_by_label("State").select_option("")
    side.node.get_by_label("Search runs").fill("no such run")
    side.node.get_by_text("No run fits.").wait_for()
    side.press("Show all")
    for number in ("r1", "r2"):
        side.run(number).get_by_role("checkbox").check(force=True)
    theme(page, "Dark")
    assert faults(page) == []
    side.press("Compare")
    page.locator(".lp-Page").get_by_text("r2").first.wait_for()

    side.press("Stop side", card)
    side.press("Stop", card.get_by_role("alertdialog"))
    card.wait_for(state="detached")
    assert lepton.clusters() == []
    assert page.faults == []


def test_everything_comes_back_after_a_reload_and_a_restart_of_the_server(
    page: Any, lab: Any, cluster: lepton.Cluster
) -> None:
    go_on = lab.root / "later"
    run = lepton.submit(
        f"import pathlib, time\nwhile not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.02)",
        name="patient",
    )
    side = Sidebar(page)
    side.wait_for_run(run.id, "running")
    side.press("Data", side.section("data").locator("h3"))  # closed, and that is remembered
    wait_until(lambda: _kept(page, '"open:data":false', '"current":"lepton-sidebar"'))
    page.reload()
    page.wait_for_function("window.jupyterapp !== undefined")
    side.wait_for_run(run.id, "running")
    assert side.section("data").locator("h3 button").get_attribute("aria-expanded") == "false"

    lab.stop()
    side.node.get_by_text("The server is away.").wait_for()
    lab.start()
    side.node.get_by_text("The server is away.").wait_for(state="detached")
    side.wait_for_run(run.id, "running")
    assert side.cluster(cluster.name).locator(".lps-Worker").count() == 2
    go_on.touch()
    side.wait_for_run(run.id, "done")


def _kept(page: Any, *parts: str) -> bool:
    """Tell whether the server has the state of the page, so that it can be loaded again."""
    saved: str = page.evaluate("""async () => {
        const { baseUrl } = window.jupyterapp.serviceManager.serverSettings;
        return await (await fetch(`${baseUrl}lab/api/workspaces`)).text();
    }""")
    return all(part in saved.replace(": ", ":") for part in parts)
