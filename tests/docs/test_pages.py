"""The documentation: its commands exist, its links lead somewhere, and the tutorial runs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from lepton_jlab.parsing import PREFIX, parse, split

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(rf"({'|'.join(map(re.escape, sorted(PREFIX.values(), key=len)[::-1]))}) (.+)")
PLACES = {prefix: place for place, prefix in PREFIX.items()}


def blocks(page: Path) -> Iterator[str]:
    """Yield the fenced blocks of a page."""
    for found in re.finditer(r"^```[^\n]*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        yield found[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_those_of_the_grammar(page: Path) -> None:
    for block in blocks(page):
        for line in block.splitlines():
            if found := COMMAND.match(line.strip()):
                words = re.sub(r"\s{3,}\S.*$", "", found[2])  # what is said beside it
                parse(split(words), PLACES[found[1]])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.integration
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", ROOT / "docs", tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "cluster start" in (tmp_path / "reference" / "commands.html").read_text()


@pytest.mark.integration
def test_the_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(block) for block in blocks(ROOT / "docs" / "tutorial.md")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": tmp_path}})
    client.execute()
    (scores,) = notebook.cells[-3].outputs
    assert len(eval(scores["data"]["text/plain"])) == 5  # names of classes
