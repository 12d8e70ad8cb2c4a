"""The documentation: its commands exist, and its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lepton_jlab.parsing import PREFIX, parse, split

from .blocks import PAGES, ROOT, blocks, name_of

COMMAND = re.compile(rf"({'|'.join(map(re.escape, sorted(PREFIX.values(), key=len)[::-1]))}) (.+)")
PLACES = {prefix: place for place, prefix in PREFIX.items()}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_those_of_the_grammar(page: Path) -> None:
    for block in blocks(page):
        for line in block.text.splitlines():
            if found := COMMAND.match(line.strip()):
                words = re.sub(r"\s{3,}\S.*$", "", found[2])  # what is said beside it
                parse(split(words), PLACES[found[1]])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
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
