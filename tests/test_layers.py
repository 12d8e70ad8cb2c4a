"""The direction of imports (DESIGN, section 4), and what importing Lepton does not import."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import lepton_jlab

ROOT = Path(lepton_jlab.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
HEAVY = {"tensorflow", "keras", "dask", "distributed", "zarr", "pandas", "numpy", "IPython"}

# What a room may import of the package; rooms are folders, or modules beside them.
BASE = {"cgroup", "config", "errors", "granted", "ranges", "sizes"}
ENGINE = BASE | {"cluster", "runs", "kernels", "models", "data", "resources"}
ALLOWED = {
    "errors": set(),
    "config": {"errors"},
    "sizes": {"errors"},
    "ranges": {"errors"},
    "cgroup": set(),
    "granted": {"cgroup"},
    "data": BASE,
    "resources": BASE,
    "cost": BASE | {"data", "resources"},
    "replicas": BASE | {"data"},
    "cluster": BASE | {"data", "resources"},
    "runs": BASE | {"cluster", "cost", "data", "replicas", "resources"},
    "kernels": BASE | {"cluster", "runs"},
    "models": BASE | {"cluster", "cost", "runs", "data", "resources"},
}
VIEWS = {"magics", "cli", "commands", "server", "panel", "completion", "__init__"}


def room(module: str) -> str:
    """Return the room of a dotted module: ``cluster`` of ``lepton_jlab.cluster.host``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


NAMES = {name_of(path) for path in MODULES}


def imports(path: Path) -> set[str]:
    """Return the dotted modules of the package that a file imports anywhere, typing aside."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):  # what only a type checker sees binds no rooms together
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            found.add(source)
            if source == "lepton_jlab":
                found |= {f"lepton_jlab.{alias.name}" for alias in node.names} & NAMES
    return {module for module in found if module.split(".")[0] == "lepton_jlab"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downwards(path):
    here = room(name_of(path))
    if here not in ALLOWED:
        return
    for module in imports(path) - {"lepton_jlab"}:
        there = room(module)
        assert there == here or there in ALLOWED[here], f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_imports_a_view(path):
    here = room(name_of(path))
    if here in VIEWS:
        return
    seen = {room(module) for module in imports(path)} & (VIEWS - {here, "__init__"})
    assert not seen, f"{name_of(path)} imports {seen}"


def test_the_rule_sees_what_it_looks_for():
    assert "lepton_jlab.cluster" in imports(ROOT / "runs" / "submit.py")
    assert "lepton_jlab.errors" in imports(ROOT / "cluster" / "connection.py")


def heavy_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split()) & HEAVY


def test_importing_lepton_imports_nothing_heavy():
    assert heavy_after("import lepton_jlab as lepton; lepton.__version__, dir(lepton)") == set()


def test_looking_for_clusters_needs_neither_dask_nor_tensorflow():
    heavy = heavy_after("import lepton_jlab as lepton; lepton.clusters(); lepton.runs()")
    assert heavy & {"dask", "distributed", "tensorflow", "keras", "zarr"} == set()


def test_every_public_name_is_there():
    for name in lepton_jlab.__all__:
        assert getattr(lepton_jlab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'startcluster'"):
        lepton_jlab.startcluster  # noqa: B018
