"""Makes docs/quickstart.png, the quickstart at work beside the sidebar: ``make pictures``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
ROOT = HERE.parent.parent


def take(browser: Any, lab: Any) -> None:
    """Run the notebook to its sweep; keep what it looks like when two of four runs have ended."""
    import nbformat
    from conftest import open_page
    from notebook import Notebook
    from sidebar import Sidebar, command
    from studio import keep

    shutil.copy(ROOT / "notebooks/quickstart.ipynb", lab.root)
    page = open_page(browser.new_context(viewport={"width": 1440, "height": 810}), lab)
    page.set_default_timeout(600_000)  # ms, for two trainings
    side = Sidebar(page)
    book = Notebook(page, lab.root / "quickstart.ipynb")
    cells = nbformat.read(book.path, as_version=4).cells
    (sweep,) = (k for k, cell in enumerate(cells) if cell.source.startswith("%%lepton run"))
    book.open()
    for index in range(sweep + 1):
        if cells[index].cell_type == "code":
            book.run(index)
    side.press("Look for datasets again", side.section("data"))
    book.wait_for(sweep, "2 done, 2 running")
    command(page, "notebook:move-cursor-up")  # to the heading above, so that both are in view
    page.mouse.move(1100, 800)
    page.wait_for_timeout(3000)  # the view has come to rest
    keep(page, "quickstart")


def main() -> None:
    """Run a lab of its own, and make the picture."""
    from studio import open_lab, private_home

    with private_home() as home, open_lab(home) as (lab, browser):
        take(browser, lab)


if __name__ == "__main__":
    main()
