"""The notebooks as files, without executing them: clean, complete, and stopping what they start."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from lepton_jlab.errors import UsageError
from lepton_jlab.parsing import Place, parse, split

from .blocks import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAGIC = re.compile(r"^(%%?)lepton +(.+)$", re.MULTILINE)
VARIABLE = re.compile(r"\{\w+\}")  # IPython puts its value there, which may be nothing

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def test_it_is_saved_without_results(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert ids == [f"cell-{number:02}" for number in range(len(ids))]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [], f"{cell.id} has results"
            assert cell.execution_count is None, f"{cell.id} has a number"


def test_it_is_listed_in_the_readme(path: Path) -> None:
    assert f"[{path.stem}](notebooks/{path.name})" in (ROOT / "README.md").read_text()


def test_its_magics_are_those_of_the_grammar(path: Path) -> None:
    for source in code(path):
        for signs, line in MAGIC.findall(source):
            place: Place = "cell" if signs == "%%" else "line"
            try:
                parse(split(VARIABLE.sub("value", line)), place)
            except UsageError:
                if not VARIABLE.search(line):
                    raise
                parse(split(VARIABLE.sub("", line)), place)


@pytest.mark.parametrize(
    ("start", "stop"), [("cluster start", "cluster stop"), ("model deploy", "model stop")]
)
def test_it_stops_what_it_starts(path: Path, start: str, stop: str) -> None:
    text = "\n".join(code(path))
    assert text.rfind(f"%lepton {stop}") >= text.rfind(f"%lepton {start}")
