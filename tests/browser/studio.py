"""Where the pictures of the docs are taken: a home and a lab of their own, and what is kept."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"


@contextmanager
def private_home(preload: bool = True) -> Iterator[Path]:
    """Let nothing of the user's own be seen; without `preload` runs start without TensorFlow."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        for name in ("DATA", "RUNTIME", "CONFIG"):
            os.environ[f"JUPYTER_{name}_DIR"] = str(home / name.lower())
        os.environ["IPYTHONDIR"] = str(home / "ipython")
        if not preload:
            (home / "config").mkdir()
            (home / "config/lepton_config.json").write_text('{"Settings": {"preload": []}}')
        yield home


@contextmanager
def open_lab(home: Path) -> Iterator[tuple[Any, Any]]:
    """Run a lab and a browser; in the end stop them, and what was started there."""
    from conftest import CHROMIUM, FLAGS, Lab
    from playwright.sync_api import sync_playwright

    import lepton_jlab as lepton
    from lepton_jlab.models.serving import stop

    lab = Lab(home, secrets.token_hex(16))
    lab.start()
    try:
        with sync_playwright() as play:
            yield lab, play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    finally:
        stop([endpoint.name for endpoint in lepton.endpoints()])
        for cluster in lepton.clusters():
            cluster.stop(force=True)
        lab.stop()


def keep(page: Any, name: str) -> None:
    """Take a picture of a page into ``docs``, in a third of the bytes."""
    from PIL import Image

    file = DOCS / f"{name}.png"
    file.parent.mkdir(exist_ok=True)
    page.screenshot(path=file)
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(dither=Image.Dither.NONE).save(file, optimize=True)
