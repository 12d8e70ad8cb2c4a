"""What is released: the wheel and the sdist carry the front end once, and install without Node."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import yaml

import lepton_jlab

pytestmark = pytest.mark.integration

ROOT = Path(lepton_jlab.__file__).parent.parent


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an sdist of a clean checkout; that needs Node."""
    if shutil.which("node") is None:
        pytest.skip("no Node on this machine")
    checkout = tmp_path_factory.mktemp("release") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    _run(sys.executable, "-m", "build", "--sdist", ".", cwd=checkout)
    (made,) = (checkout / "dist").glob("*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """Build a wheel of the sdist, where there is no Node."""
    to = sdist.parent / "wheel"
    _run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(to), str(sdist), path="/none")
    (made,) = to.glob("*.whl")
    return made


def test_sdist_and_wheel_carry_the_front_end_once(sdist: Path, wheel: Path) -> None:
    with tarfile.open(sdist) as tar:
        packed = tar.getnames()
    with zipfile.ZipFile(wheel) as archive:
        installed = archive.namelist()
    for names in (packed, installed):
        assert not [name for name in names if name.endswith((".map", "build_log.json"))]
        assert not [name for name in names if "node_modules" in name]
        entries = Counter(Path(name).name for name in names if "remoteEntry" in name)
        assert list(entries.values()) == [1]
    assert any(name.endswith("labextensions/lepton-jlab/install.json") for name in installed)
    assert any(name.endswith("schemas/lepton-jlab/plugin.json") for name in installed)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own."""
    home = tmp_path_factory.mktemp("installed") / "fresh"
    venv.create(home, with_pip=False)
    site = next((home / "lib").glob("python*/site-packages"))
    # What it depends on is taken from here; a path alone does not bring the editable Lepton along.
    (site / "shared.pth").write_text(
        f"{next(p for p in sys.path if p.endswith('site-packages'))}\n"
    )
    pip = (sys.executable, "-m", "pip", "--python", str(home / "bin/python"))
    _run(*pip, "install", "--no-deps", "--no-index", str(wheel), path="/none")
    return home


def test_an_installed_wheel_is_found_by_jupyter(installed: Path) -> None:
    home, python = installed, str(installed / "bin/python")
    front = _run(python, "-c", "from jupyterlab.labextensions import main; main()", "list")
    lines = front.partition(f"{home}/share/jupyter/labextensions")[2].splitlines()
    (line,) = [line for line in lines[:3] if "lepton-jlab" in line]
    assert "enabled" in line
    assert "OK" in line
    server = _run(python, "-m", "jupyter_server", "extension", "list")
    assert "lepton_jlab enabled" in server
    assert f"lepton_jlab {lepton_jlab.__version__} OK" in " ".join(server.split())


def test_an_installed_wheel_runs_a_cell(installed: Path, light: None, tmp_path: Path) -> None:
    cell = tmp_path / "cell.py"
    cell.write_text("import sys, lepton_jlab\nassert lepton_jlab.__file__.startswith(sys.prefix)\n")
    lepton = str(installed / "bin/jupyter-lepton")
    _run(lepton, "cluster", "start", "--workers", "1", cwd=tmp_path)
    try:
        _run(lepton, "run", str(cell), "--wait", cwd=tmp_path)  # a run that fails has its status
    finally:
        _run(lepton, "cluster", "stop", "--force", cwd=tmp_path)


def _run(*command: str, cwd: Path | None = None, path: str | None = None) -> str:
    """Run without the sources on the path; return what it said."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "NO_COLOR")}
    clean["PATH"] = path or f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    clean["NO_COLOR"] = "1"
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[0m"):
        said = said.replace(code, "")
    return said


def test_the_conda_recipe_asks_for_what_the_project_does() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {re.sub(r"\s*;.*", "", line).replace(" ", "") for line in project["dependencies"]}
    recipe = yaml.safe_load((ROOT / ".ci" / "conda" / "recipe.yaml").read_text())
    run = {line.replace(" ", "") for line in recipe["requirements"]["run"]}
    assert run == asked | {"python" + project["requires-python"]}
    assert recipe["context"]["version"] == lepton_jlab.__version__
