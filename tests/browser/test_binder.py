"""What Binder does with this repository, and what a visitor of the badge then sees."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conditions import wait_until
from confined import Share, confined

import lepton_jlab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.timeout(2400),
    # An image takes minutes and has only been built by hand so far.
    pytest.mark.skipif("LEPTON_BINDER" not in os.environ, reason="LEPTON_BINDER=1 builds an image"),
]

ROOT = Path(lepton_jlab.__file__).parent.parent
MEMORY = 2 << 30
CELLS = """() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells
  .filter(cell => cell.cell_type === 'code')
  .map(cell => [cell.execution_count, cell.outputs.map(output => output.output_type)])"""


@dataclass
class Image:
    """What repo2docker makes: the repository's folder, a home, an environment's programs."""

    checkout: Path
    home: Path
    programs: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process in it; nothing of this test's own environment."""
        ours = ("LANG", "NODE_", "PIP_", "SSL_", "YARN_")  # how packages are reached from here
        return {
            **{name: value for name, value in os.environ.items() if name.startswith(ours)},
            "YARN_GLOBAL_FOLDER": str(Path.home() / ".yarn/berry"),  # the cache of this machine
            "HOME": str(self.home),
            "PATH": f"{self.programs}:/usr/local/bin:/usr/bin:/bin",
            "JUPYTER_RUNTIME_DIR": str(self.home / "runtime"),
        }


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what git has, as Binder clones it."""
    folder = tmp_path_factory.mktemp("binder") / "checkout"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def image(checkout: Path) -> Image:
    """Run ``postBuild`` in a new environment of this Python; conda would bring Python and Node."""
    if shutil.which("node") is None:
        pytest.skip("no Node on this machine")
    folder = checkout.parent
    venv.create(folder / "environment", with_pip=True)
    image = Image(checkout, folder / "home", folder / "environment/bin")
    image.home.mkdir()
    script = checkout / "binder/postBuild"
    begin = time.monotonic()
    done = subprocess.run([script], cwd=checkout, env=image.environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    print(f"built in {time.monotonic() - begin:.0f} s")
    return image


@pytest.fixture
def share(image: Image) -> Iterator[Share]:
    """One core and 2 GiB for all that the session starts."""
    mark = "JUPYTER_RUNTIME_DIR"
    with confined(MEMORY, (mark, image.environment[mark])) as made:
        yield made


@pytest.fixture
def session(image: Image, share: Share) -> Iterator[tuple[str, str, float]]:
    """Start the server as BinderHub does; gives its address, its token, and when it began."""
    begin = time.monotonic()
    token = secrets.token_hex(16)
    limits = {"MEM_LIMIT": str(MEMORY), "CPU_LIMIT": "1.0"}
    binder = {"BINDER_LAUNCH_HOST": "https://mybinder.org/", "JUPYTER_TOKEN": token}
    with (image.home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(image.checkout / "binder/start", "jupyter", "lab", "--no-browser"),
                *("--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"),
                *("--ServerApp.base_url=/user/a-visitor/", "--expose-app-in-browser"),
            ],
            cwd=image.checkout,
            env={**image.environment, **limits, **binder},
            stdout=log,
            stderr=log,
            preexec_fn=share.enter,
        )
    info = image.home / f"runtime/jpserver-{server.pid}.json"
    try:
        started = json.loads(wait_until(lambda: info.exists() and info.read_text(), 120))
        yield started["url"], token, begin
    finally:
        server.terminate()
        server.wait(60)


def test_repo2docker_takes_our_files(checkout: Path) -> None:
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    steps = done.stdout + done.stderr
    for step in (
        'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"',
        "install --yes --no-install-recommends dataset-fashion-mnist",
        "RUN ./binder/postBuild",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    ):
        assert step in steps
    assert "conda environment for python=3.11" in steps


def test_the_build_leaves_nothing_that_only_built(image: Image) -> None:
    assert not (image.checkout / "labextension/node_modules").exists()
    listed = subprocess.run(
        [image.programs / "jupyter", "labextension", "list"],
        env=image.environment,
        capture_output=True,
        text=True,
    )
    assert re.search(
        r"lepton-jlab v\S+ enabled.*OK", re.sub(r"\x1b\[\d+m", "", listed.stdout + listed.stderr)
    )


def test_a_visitor_of_the_badge_runs_the_quickstart(
    image: Image, share: Share, session: tuple[str, str, float], browser: Any
) -> None:
    url, token, begin = session
    (path,) = set(re.findall(r"mybinder\.org/\S+?\?urlpath=([^)\s]+)", _read("README.md")))
    assert path in _read("docs/binder.md")
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(180_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{url}{path}?token={token}")
    page.wait_for_selector("#jupyterlab-splash", state="detached")
    page.wait_for_function("window.jupyterapp !== undefined")
    page.evaluate("async () => { await window.jupyterapp.restored; }")
    page.wait_for_function("window.jupyterapp.shell.currentWidget?.context?.path")
    page.evaluate(
        """async () => {
          const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
          await context.ready;
          await sessionContext.ready;
          await sessionContext.session.kernel.info;
        }"""
    )
    sidebar = page.locator("#lepton-sidebar")
    sidebar.get_by_text("1 core and 2 GiB are granted here").wait_for()
    photograph(page, "binder-opened")
    opened = time.monotonic()

    page.evaluate("() => { void window.jupyterapp.commands.execute('runmenu:run-all'); }")
    sidebar.locator("[data-cluster] .lps-Worker").nth(1).wait_for()
    sidebar.locator(".lps-Run.lps-mod-running").nth(1).wait_for()
    photograph(page, "binder-runs")
    ended = f"() => {{ const cells = ({CELLS})(); return {_OVER}; }}"
    page.wait_for_function(ended, timeout=1_500_000)
    done = time.monotonic()
    photograph(page, "binder-ended")

    cells = page.evaluate(CELLS)
    assert all(count for count, _ in cells)
    assert not [kinds for _, kinds in cells if "error" in kinds]
    assert sidebar.is_visible()
    page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save'); }")
    saved = nbformat.read(image.checkout / "notebooks/quickstart.ipynb", as_version=4)
    assert any("Best: " in str(cell.get("outputs")) for cell in saved.cells)
    assert faults == []
    context.close()
    print(f"page {opened - begin:.0f} s, quickstart {done - opened:.0f} s")
    print(f"peak {share.peak / 2**20:.0f} MiB, afar {sorted(share.afar)}")
    assert share.peak < MEMORY
    assert not share.killed()
    assert {port for _, port in share.afar} <= {80, 443}


# All cells have been executed, or one has failed.
_OVER = "cells.every(c => c[0]) || cells.some(c => c[1].includes('error'))"


def _read(name: str) -> str:
    return (ROOT / name).read_text()


def photograph(page: Any, name: str) -> None:
    """Save a screenshot, if LEPTON_SCREENSHOTS names a folder for them."""
    if folder := os.environ.get("LEPTON_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))
