"""Runs drawn in the cell that asked for them, in a real kernel, and as lines in a terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest

import lepton_jlab as lepton
from lepton_jlab.runs.views import live

pytestmark = pytest.mark.integration

CELLS = [
    "import lepton_jlab as lepton\nfrom lepton_jlab.runs.views import live",
    """
run = lepton.submit('''
for step in range(5):
    print("step", step)
    lepton.log(loss=1 / (step + 1), step=step)
print("\\\\n".join(str(n) for n in range(20_000)))
''', namespace=globals())
live.show(run)
""",
    "print('the kernel is free')",
    "live.wait(run); live.wait(run);",
    """
trials = lepton.submit("print('rate', rate)", sweep={"rate": [1, 2]}, push="none")
live.wait(trials);
""",
    """
import os, signal, threading, time
slow = lepton.submit("print('begun'); import time; time.sleep(600)", push="none")
def interrupt():
    while "begun" not in slow.output:
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
live.wait(slow);
""",
    "slow.cancel(); print(live.wait(slow).state)",
]


@pytest.fixture(scope="module")
def outputs(cluster: lepton.Cluster) -> list[list[Any]]:
    from nbclient import NotebookClient
    from nbformat import v4

    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in CELLS])
    NotebookClient(notebook, timeout=120).execute()
    return [cell.outputs for cell in notebook.cells]


def test_the_cell_that_submitted_keeps_the_final_picture(outputs: list[list[Any]]) -> None:
    (picture,) = outputs[1]
    html, text = picture["data"]["text/html"], picture["data"]["text/plain"]
    assert set(picture["data"]) == {"text/html", "text/plain"}
    assert "</span> done" in html
    assert "data:image/svg+xml" in html
    assert "19999" in html
    assert "earlier lines" in html
    assert "· done ·" in text


def test_nothing_is_drawn_in_later_cells_or_twice(outputs: list[list[Any]]) -> None:
    assert [output["text"] for output in outputs[2]] == ["the kernel is free\n"]
    assert outputs[3] == []


def test_waiting_draws_what_was_not_shown_yet(outputs: list[list[Any]]) -> None:
    (picture,) = outputs[4]
    assert "2 runs: 2 done" in picture["data"]["text/html"]
    assert "rate 2" in picture["data"]["text/html"]


def test_an_interrupt_stops_only_the_waiting_and_says_how_to_cancel(
    outputs: list[list[Any]],
) -> None:
    picture, said = outputs[5]
    assert "goes on. Cancel it: %lepton runs cancel r" in said["text"]
    assert outputs[6][-1]["text"] == "cancelled\n"
    assert "</span> cancelled" in picture["data"]["text/html"]


def test_outside_a_notebook_each_change_is_a_line(cluster: lepton.Cluster) -> None:
    run = lepton.submit("print(1)", push="none")
    written = io.StringIO()
    assert live.wait(run, file=written) is run
    lines = written.getvalue().splitlines()
    assert all(line.startswith(f"{run.id} · ") for line in lines)
    assert lines[-1].startswith(f"{run.id} · done")
    assert len(lines) == len(set(lines))
