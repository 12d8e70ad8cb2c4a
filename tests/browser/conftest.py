"""A headless JupyterLab and a Chromium for the tests in this folder."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conditions import wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Lab:
    """A JupyterLab: its address, its token, its root folder; it can be stopped and started."""

    home: Path
    token: str
    port: int = 0
    url: str = ""
    options: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """The folder that it shows."""
        return self.home / "work"

    def start(self) -> None:
        """Run ``jupyter lab`` on a free port, or on that of the last time."""
        self.root.mkdir(exist_ok=True)
        news = self.home / "settings/@jupyterlab/apputils-extension"
        news.mkdir(parents=True, exist_ok=True)
        (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
        bin_folder = Path(sys.executable).parent  # else the kernel starts with another Python
        environment = {
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "JUPYTER_TOKEN": self.token,  # not on the command line, where others could read it
            "JUPYTERLAB_SETTINGS_DIR": str(self.home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self.home / "workspaces"),
        }
        with (self.home / "lab.log").open("ab") as log:
            self._server = subprocess.Popen(
                [
                    *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                    *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.port}"),
                    *("--ServerApp.port_retries=0", "--expose-app-in-browser"),
                    f"--ServerApp.root_dir={self.root}",
                    "--ServerApp.jpserver_extensions={'lepton_jlab': True}",
                    "--LabApp.extension_manager=readonly",
                    "--LabApp.news_url=None",
                    "--JupyterNotebookApp.expose_app_in_browser=True",
                    *self.options,
                ],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        info = Path(environment["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{self._server.pid}.json"
        started = json.loads(wait_until(lambda: info.exists() and info.read_text(), 60))
        self.port, self.url = started["port"], started["url"]
        wait_until(lambda: _answers(f"{self.url}api/status?token={self.token}"), 60)

    def stop(self) -> None:
        """End it; kernels end with it."""
        self._server.terminate()
        self._server.wait(20)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Run a JupyterLab with the extension."""
    lab = Lab(tmp_path_factory.mktemp("lab"), secrets.token_hex(16))
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture(scope="module")  # Playwright holds the thread's event loop until it ends
def browser() -> Iterator[Any]:
    """Start Chromium; without one the tests of this folder are skipped."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Any, lab: Lab) -> Iterator[Any]:
    """Open a fresh JupyterLab page."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield open_page(context, lab)
    context.close()


def open_page(context: Any, lab: Lab) -> Any:
    """Open JupyterLab in a workspace of its own."""
    opened = context.new_page()
    opened.set_default_timeout(90_000)  # ms; the machine may be busy with other things
    opened.faults = []  # what went wrong in its scripts
    opened.on("pageerror", lambda error: opened.faults.append(str(error)))
    workspace = f"lab/workspaces/w{secrets.token_hex(4)}"
    opened.goto(f"{lab.url}{workspace}?token={lab.token}")
    opened.wait_for_selector("#jupyterlab-splash", state="detached")
    opened.wait_for_function("window.jupyterapp !== undefined")
    opened.evaluate("async () => { await window.jupyterapp.restored; }")
    return opened


@pytest.fixture(scope="module")
def tiles() -> Iterator[Any]:
    """``tiles``: a kept model that tells three classes of images (8, 8, 1) apart."""
    import keras
    import numpy as np

    import lepton_jlab as lepton

    layers = [keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    model = lepton.save_model(
        keras.Sequential([keras.layers.Input((8, 8, 1)), *layers]),
        "tiles",
        samples=np.zeros((4, 8, 8, 1), "float32"),
        classes=["round", "square", "flat"],
    )
    yield model
    model.drop(force=True)


def _answers(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(url, timeout=5).status == 200)
    except OSError:
        return False
