"""Every command of the documentation is run, from the top of its page, or says why it is not."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from . import world
from .blocks import PAGES, Block, blocks, name_of

RUN = ("python", "bash")
READ = {"toml": tomllib.loads, "json": json.loads}
SHOWN = ("text", "dockerfile", "{toctree}", "{eval-rst}", "{lepton-commands}")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def commands(page: Path) -> list[Block]:
    """Return the blocks of a page that are to be run."""
    return [block for block in blocks(page) if block.language in RUN and block.reason is None]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_block_is_run_or_says_why_not(page: Path) -> None:
    for block in blocks(page):
        kind = block.language.split(" ")[0]
        assert kind in (*RUN, *READ, *SHOWN), f"{block.place}: is {kind!r} run, or is it `text`?"
        if kind in READ:
            READ[kind](block.text)
        if kind == "text":
            assert not re.search(r"^(%|jupyter |make |pip )", block.text, re.MULTILINE), block.place


class Notebook:
    """A kernel in which the pages are run, one after another, with records of its own."""

    def __init__(self, records: Path) -> None:
        # Pages that do something with all datasets, or all runs, would find those of other tests.
        environment = {**os.environ, "JUPYTER_DATA_DIR": str(records)}
        self.manager, self.client = start_new_kernel(env=environment)

    def run(self, source: str, place: str) -> None:
        """Run a cell; an error fails the test with the place in the documentation."""
        said: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            said.append(content.get("text") or content.get("data", {}).get("text/plain", ""))

        reply = self.client.execute_interactive(
            source, allow_stdin=False, timeout=120, output_hook=hear
        )["content"]
        if reply["status"] != "ok":
            error = ANSI.sub("", "\n".join(reply["traceback"]))
            pytest.fail(f"{place}\n{source}\n{error}\n{''.join(said)[-2000:]}", pytrace=False)


@pytest.fixture(scope="module")
def notebook(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """Start a kernel, and a cluster that all pages use."""
    made = Notebook(tmp_path_factory.mktemp("records"))
    # Beside the cluster's start, for the first page that needs it would wait for it alone.
    made.run("import threading; threading.Thread(target=__import__, args=['keras']).start()", "")
    made.run(world.common(files) + "%lepton cluster start --workers 2", "start")
    yield made
    made.run("for cluster in lepton.clusters(): cluster.stop(force=True)", "end")
    made.client.stop_channels()
    made.manager.shutdown_kernel()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the datasets that the pages name."""
    folder = tmp_path_factory.mktemp("files")
    world.prepare(folder)
    return folder


@pytest.mark.integration
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name_of)
def test_commands_do_what_the_page_says(
    page: Path, notebook: Notebook, files: Path, tmp_path: Path
) -> None:
    name = name_of(page)
    if name not in world.FRESH:
        shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    notebook.run(f"{world.common(files)}\n%cd -q {tmp_path}", name)
    notebook.run(world.BEFORE.get(name, ""), f"before {name}")
    began = time.time()
    try:
        for block in commands(page):
            notebook.run(world.smaller(block), block.place)
        notebook.run(world.SETTLED.format(began=began), name)
    finally:
        notebook.run(world.AFTER, name)
