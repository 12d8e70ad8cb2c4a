"""The sidebar of Lepton in JupyterLab, worked with as a person does: by clicks and by looking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

AXE = Path(__file__).parent.parent / "labextension/node_modules/axe-core/axe.min.js"
_CHECK = """async selector => {
  const { violations } = await axe.run(selector, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'],
    rules: { region: { enabled: false } }, // landmarks are JupyterLab's
  });
  return violations
    .filter(one => ['serious', 'critical'].includes(one.impact))
    .map(one => `${one.id}: ${one.nodes.map(node => node.html).join(' ')}`);
}"""


class Sidebar:
    """The sidebar on a page of JupyterLab.

    Parameters
    ----------
    page
        JupyterLab, as the fixture `page` opens it.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.node = page.locator("#lepton-sidebar")
        command(page, "lepton:show")
        self.section("resources").wait_for()

    def section(self, name: str) -> Any:
        """Return one of clusters, runs, data, models, resources."""
        return self.node.locator(f"[data-section={name}]")

    def cluster(self, name: str) -> Any:
        """Return the card of a cluster."""
        return self.node.locator(f"[data-cluster='{name}']")

    def run(self, number: str) -> Any:
        """Return the row of a run."""
        return self.node.locator(f"[data-run={number}]")

    def wait_for_run(self, number: str, state: str) -> Any:
        """Wait until a run is in a state; return its row."""
        self.node.locator(f"[data-run={number}].lps-mod-{state}").wait_for()
        return self.run(number)

    def press(self, name: str, inside: Any = None) -> None:
        """Click the button of that name."""
        (inside or self.node).get_by_role("button", name=name, exact=True).click()


def command(page: Any, name: str, arguments: dict[str, Any] | None = None) -> None:
    """Execute a JupyterLab command; the arrow returns nothing, for a widget cannot be sent."""
    page.evaluate(
        "async ([name, args]) => { await window.jupyterapp.commands.execute(name, args); }",
        [name, arguments or {}],
    )


def theme(page: Any, name: str) -> None:
    """Change to the theme ``"Light"`` or ``"Dark"`` of JupyterLab."""
    command(page, "apputils:change-theme", {"theme": f"JupyterLab {name}"})
    light = "true" if name == "Light" else "false"
    page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")


def faults(page: Any, selector: str = "#lepton-sidebar") -> list[str]:
    """Return the serious accessibility faults that axe-core finds in a part of the page."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text())
    found: list[str] = page.evaluate(_CHECK, selector)
    return found
