"""Panels in real kernels without a page, in saved notebooks, and in terminals."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conditions import wait_until

import lepton_jlab as lepton
from lepton_jlab.cli import main

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]

CELLS = [
    "%load_ext lepton_jlab\nimport lepton_jlab as lepton",
    "%%lepton run --wait --name pictured\nfor n in range(9): lepton.log(score=n, step=n)",
    "%lepton panel runs",
    "%lepton panel",
    "%lepton panel resources",
    "%lepton panel data --json",
    "import threading; print([t.name for t in threading.enumerate() if 'panel' in t.name])",
    "lepton.panel('runs')",
]


@pytest.fixture(scope="module")
def saved(cluster: lepton.Cluster) -> Any:
    """A notebook executed by nbclient, where nobody looks."""
    from nbclient import NotebookClient
    from nbformat import v4

    book = v4.new_notebook(cells=[v4.new_code_cell(source) for source in CELLS])
    NotebookClient(book, timeout=120).execute()
    return book


def test_without_a_page_a_panel_is_a_picture_and_no_widget(saved: Any) -> None:
    for index, text in ((2, "pictured"), (3, "cluster local"), (4, "CPU"), (7, "pictured")):
        (output,) = saved.cells[index].outputs
        assert set(output.data) == {"text/html", "text/plain"}
        assert text in output.data["text/html"]
        assert text in output.data["text/plain"]
    assert "data:image/svg+xml" in saved.cells[4].outputs[0].data["text/html"]
    assert "<svg" not in json.dumps(saved.cells)


def test_json_is_one_document(saved: Any) -> None:
    (output,) = saved.cells[5].outputs
    assert set(json.loads(output.text)) == {"datasets", "streams"}


def test_nothing_beats_where_nobody_looks(saved: Any) -> None:
    assert saved.cells[6].outputs[0].text == "[]\n"


def test_a_converted_page_shows_the_picture(saved: Any) -> None:
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_notebook_node(saved)
    assert "cluster local" in page
    assert '<script type="application/vnd.jupyter.widget-view+json">' not in page


def test_a_terminal_gets_one_document_or_one_text(
    cluster: lepton.Cluster, capsys: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    np.savez(tmp_path / "few.npz", x=np.zeros((20, 4)), y=np.arange(20))
    lepton.import_dataset(tmp_path / "few.npz", tmp_path / "few.zarr")
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(["panel", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["clusters", "runs", "data", "resources"]
    assert document["clusters"][0]["name"] == "local"
    assert document["data"]["datasets"][0]["samples"] == 20
    assert document["resources"]["host"]["cpu"] >= 0
    assert main(["panel", "data"]) == 0
    assert "few.zarr" in capsys.readouterr().out
    assert main(["panel", "everything"]) == 2


def test_on_a_terminal_it_goes_on_until_an_interrupt(
    cluster: lepton.Cluster, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "lepton_jlab.cli", "panel", "clusters"]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, start_new_session=True
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    written = b""

    def drawn(times: int) -> bool:
        nonlocal written
        with contextlib.suppress(OSError):  # nothing yet, or it has ended
            written += os.read(ours, 1 << 16)
        return written.count(b"Ctrl-C ends") >= times

    try:
        wait_until(lambda: drawn(2), 60)
        assert b"cluster local" in written
        process.send_signal(signal.SIGINT)
        wait_until(lambda: drawn(2) and process.poll() is not None, 30)
    finally:
        process.kill()
        os.close(ours)
    assert process.returncode == 0
    assert written.endswith(b"\x1b[?25h\x1b[?1049l")
