"""Makes docs/quickstart.png, the quickstart at work beside the sidebar: ``make pictures``."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
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
    from PIL import Image
    from sidebar import Sidebar, command

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
    file = ROOT / "docs/quickstart.png"
    page.screenshot(path=file)
    with Image.open(file) as picture:  # a third of the bytes
        picture.convert("RGB").quantize(dither=Image.Dither.NONE).save(file, optimize=True)


def main() -> None:
    """Run a lab of its own, and make the picture."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        for name in ("DATA", "RUNTIME", "CONFIG"):
            os.environ[f"JUPYTER_{name}_DIR"] = str(home / name.lower())
        os.environ["IPYTHONDIR"] = str(home / "ipython")
        from conftest import CHROMIUM, FLAGS, Lab
        from playwright.sync_api import sync_playwright

        import lepton_jlab as lepton

        lab = Lab(home, secrets.token_hex(16))
        lab.start()
        try:
            with sync_playwright() as play:
                take(play.chromium.launch(executable_path=CHROMIUM, args=FLAGS), lab)
        finally:
            for cluster in lepton.clusters():
                cluster.stop(force=True)
            lab.stop()


if __name__ == "__main__":
    main()
