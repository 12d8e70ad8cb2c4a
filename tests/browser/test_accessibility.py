"""axe-core finds no serious fault in any view, in either theme; no view can be left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sidebar import Sidebar, command, faults, theme

import lepton_jlab as lepton

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.usefixtures("light")]

SOURCES = Path(__file__).parents[2] / "labextension/src"
PAGE = ".jp-MainAreaWidget:not(.lm-mod-hidden) .lp-Page"
TRIAL = """import lepton_jlab as lepton
for step in range(9):
    lepton.log(loss=lr / (step + 1))
weights = [lr]"""


@dataclass(frozen=True)
class Lived:
    """What there is to look at: ids of runs and of a sweep."""

    done: str
    failed: str
    sweep: str


@pytest.fixture(scope="module")
def lived(lab: Any, cluster: lepton.Cluster, tiles: lepton.Model) -> Iterator[Lived]:
    """A lab in which something of everything was made."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (40, 8, 8, 1)).astype("u1")
    for name in ("seen", "unseen"):
        np.savez(lab.root / f"{name}.npz", x=images, y=np.arange(40) % 2)
        lepton.import_dataset(str(lab.root / f"{name}.npz"), str(lab.root / f"{name}.zarr"))
    sweep = lepton.submit(TRIAL, name="trials", sweep={"lr": [0.1, 0.01]}, pull=["weights"]).wait(
        60
    )
    failed = lepton.submit("print('begun')\n1 / 0").wait(60)
    yield Lived(sweep[0].id, failed.id, sweep.id)


def section(name: str) -> Callable[[Any, Lived], str]:
    def show(page: Any, lived: Lived) -> str:
        side = Sidebar(page)
        closed = side.section(name).locator(".lps-Row-head[aria-expanded=false]")
        while closed.count():
            closed.first.click()
        return f"[data-section={name}]"

    return show


def form(title: str, button: str) -> Callable[[Any, Lived], str]:
    def show(page: Any, lived: Lived) -> str:
        side = Sidebar(page)
        side.node.get_by_role("button", name=button, exact=True).first.click()
        side.node.get_by_role("form", name=title).wait_for()
        return "#lepton-sidebar .lps-Form"

    return show


def elsewhere(page: Any, lived: Lived) -> str:
    """The form of a cluster with the options of an engine, all folded out, and one fault."""
    side = Sidebar(page)
    sheet = side.node.get_by_role("form", name="New cluster")
    if not sheet.count():
        form("New cluster", "New cluster")(page, lived)
    sheet.get_by_label("Runs on").select_option("ssh")
    sheet.get_by_text("more options").click()
    sheet.get_by_role("button", name="Start").click()
    sheet.get_by_text("This is needed.").wait_for()
    return "#lepton-sidebar .lps-Form"


def opened(shown: str, ready: str, **arguments: str) -> Callable[[Any, Lived], str]:
    """Open a page by a command; values of `arguments` may name something of `Lived`."""

    def show(page: Any, lived: Lived) -> str:
        given: dict[str, Any] = {k: getattr(lived, v, v) for k, v in arguments.items()}
        if "ids" in given:
            given["ids"] = [given["ids"]]
        command(page, f"lepton:{shown}", given)
        page.locator(f"{PAGE} {ready}").first.wait_for()
        return PAGE

    return show


def labelling(page: Any, lived: Lived) -> str:
    command(page, "lepton:open-labelling", {"path": "seen.zarr"})
    begin = page.locator(f"{PAGE} .lp-Begin")
    begin.locator("input").first.fill("yes, no")
    begin.get_by_role("button").click()
    page.locator(".lepton-label .line", has_text="Sample 0").wait_for()
    return PAGE


def refused(page: Any, lived: Lived) -> str:
    side = Sidebar(page)
    form("Import data", "Import data")(page, lived)
    side.node.get_by_label("From").fill("no-such.npz")
    side.press("Import", side.node.get_by_role("form", name="Import data"))
    side.section("data").get_by_role("alert").wait_for()
    return "[data-section=data]"


def question(page: Any, lived: Lived) -> str:
    side = Sidebar(page)
    side.node.get_by_role("button", name=re.compile("^Stop ")).first.click()
    side.node.get_by_role("alertdialog").wait_for()
    return "#lepton-sidebar [role=alertdialog]"


def dialog(button: str) -> Callable[[Any, Lived], str]:
    """Press a button of a dataset's page that asks something."""

    def show(page: Any, lived: Lived) -> str:
        opened("open-dataset", ".lp-Grid img", path="seen.zarr")(page, lived)
        page.locator(PAGE).get_by_role("button", name=button, exact=True).first.click()
        page.locator(".jp-Dialog-content").wait_for()
        return ".jp-Dialog-content"

    return show


def confirmation(page: Any, lived: Lived) -> str:
    opened("open-dataset", ".lp-Grid img", path="seen.zarr")(page, lived)
    page.locator(PAGE).get_by_role("button", name="Keep a version", exact=True).click()
    page.locator(".jp-Dialog input").fill("first")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.locator(f"{PAGE} .lp-Versions li").get_by_role("button", name="Restore").first.click()
    page.locator(".jp-Dialog-content", has_text="Restore").wait_for()
    return ".jp-Dialog-content"


def launcher(page: Any, lived: Lived) -> str:
    command(page, "launcher:create")
    cards = ".jp-MainAreaWidget:not(.lm-mod-hidden) .jp-LauncherCard[data-category=Lepton]"
    page.locator(cards).first.wait_for()
    return cards


def status_bar(page: Any, lived: Lived) -> str:
    page.locator(".lp-Status button", has_text="cluster").wait_for()
    return ".lp-Status"


def toolbar(page: Any, lived: Lived) -> str:
    command(page, "notebook:create-new", {"kernelName": "python3"})
    page.locator("[data-jp-item-name=lepton-run]").wait_for()
    return "[data-jp-item-name=lepton-run]"


VIEWS: dict[str, Callable[[Any, Lived], str]] = {
    "section clusters": section("clusters"),
    "section runs": section("runs"),
    "section data": section("data"),
    "section models": section("models"),
    "section resources": section("resources"),
    "form cluster": form("New cluster", "New cluster"),
    "form cluster, elsewhere": elsewhere,
    "form import": form("Import data", "Import data"),
    "form model": form("Save a model", "Save a model"),
    "a refusal": refused,
    "a question": question,
    "page run": opened("open-run", ".lp-Head .lp-mod-done", id="done"),
    "page run, failed": opened("open-run", "[role=alert]", id="failed"),
    "page compare": opened("open-comparison", "tbody tr", ids="sweep"),
    "page resources": opened("open-resources", "tbody tr"),
    "page dataset": opened("open-dataset", ".lp-Grid img", path="seen.zarr"),
    "page label, before": opened("open-labelling", ".lp-Begin", path="unseen.zarr"),
    "page label": labelling,
    "page model": opened("open-model", "tbody tr", name="tiles"),
    "page model, unknown": opened("open-model", "[role=alert]", name="no-such"),
    "dialog asking for a text": dialog("Keep a version"),
    "dialog asking whether": confirmation,
    "launcher card": launcher,
    "status bar": status_bar,
    "notebook toolbar": toolbar,
}
COMMANDS = {  # what each of ours shows
    "lepton:show": "section clusters",
    "lepton:new-cluster": "form cluster",
    "lepton:import-data": "form import",
    "lepton:run-cell": "notebook toolbar",
    "lepton:open-run": "page run",
    "lepton:open-comparison": "page compare",
    "lepton:open-resources": "page resources",
    "lepton:open-dataset": "page dataset",
    "lepton:open-labelling": "page label",
    "lepton:open-model": "page model",
    "lepton:open-page": "page run",
    "lepton:follow-link": "page run",
    "lepton:insert-code": "",  # a notebook
    "lepton:open-notebook": "",
}


def test_no_view_is_missing_in_the_table(page: Any) -> None:
    ours = "window.jupyterapp.commands.listCommands().filter(name => name.startsWith('lepton:'))"
    assert set(page.evaluate(ours)) == set(COMMANDS), "say in COMMANDS what a new command shows"
    assert {view for view in COMMANDS.values() if view} <= set(VIEWS)
    sections = Sidebar(page).node.locator("[data-section]").all()
    wanted = {f"section {one.get_attribute('data-section')}" for one in sections}
    kinds = re.search(r"KINDS = \[(.*?)\]", (SOURCES / "pages/links.ts").read_text(), re.DOTALL)
    forms = re.search(r"type Form = (.*?);", (SOURCES / "model.ts").read_text())
    for prefix, listed in (("page", kinds), ("form", forms)):
        assert listed is not None
        wanted |= {f"{prefix} {name}" for name in re.findall(r"'(\w+)'", listed.group(1))}
    assert wanted <= set(VIEWS), "a new view belongs in VIEWS"


@pytest.fixture(scope="module")
def desk(browser: Any, lab: Any, lived: Lived) -> Iterator[Any]:
    """One page of JupyterLab for all views: each is opened beside those before."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(40_000)
    opened.goto(f"{lab.url}lab/workspaces/desk?token={lab.token}")
    opened.wait_for_selector("#jupyterlab-splash", state="detached")
    opened.evaluate("async () => { await window.jupyterapp.restored; }")
    yield opened
    opened.close()


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_no_serious_fault_in_either_theme(desk: Any, lived: Lived, view: str) -> None:
    selector = VIEWS[view](desk, lived)
    found = {}
    for look in ("Light", "Dark"):
        theme(desk, look)
        found[look] = faults(desk, selector)
    desk.keyboard.press("Escape")  # dialogs and questions mean no by it
    assert found == {"Light": [], "Dark": []}
