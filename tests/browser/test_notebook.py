"""A person opens a notebook in JupyterLab, runs it by hand, and finds it again without a kernel."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest
from notebook import Notebook

import lepton_jlab as lepton

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.usefixtures("light")]

LOAD = "%load_ext lepton_jlab\nimport lepton_jlab as lepton"
BY_HAND = [
    LOAD,
    "%lepton cluster start --workers 2 --threads 1 --name by-hand",
    "%%lepton run --sweep a=1,2 --name by-hand -o sweep\n"
    "for step in range(3):\n    lepton.log(score=a * step)\n"
    "print('a is', a)",
    "sweep.wait()\n%lepton runs compare sweep",
    "%lepton cluster stop by-hand",
]
UNTIL_TOLD = """%%lepton run --name patient
import pathlib, time
print("waiting")
while not pathlib.Path("go-on").exists():
    time.sleep(0.01)
print("going on")"""


def test_a_notebook_run_by_hand_draws_its_runs_and_keeps_them(page: Any, lab: Any) -> None:
    book = Notebook.of(page, lab.root / "by-hand.ipynb", BY_HAND)
    for index in range(len(BY_HAND)):
        book.run(index)
    book.wait_for(4, "Stopped: by-hand.")
    book.wait_for(2, "2 runs: 2 done")
    book.photograph("run-by-hand")

    sweep = lepton.run("by-hand")
    assert [run.params for run in sweep] == [{"a": 1}, {"a": 2}]
    assert [run.state for run in sweep] == ["done", "done"]
    assert [run.metrics for run in sweep] == [{"score": 2.0}, {"score": 4.0}]
    assert [run.output for run in sweep] == ["a is 1\n", "a is 2\n"]

    saved = book.save()
    assert [cell.execution_count for cell in saved.cells[: len(BY_HAND)]] == [1, 2, 3, 4, 5]
    (drawn,) = saved.cells[2].outputs
    assert {"text/html", "text/plain"} == set(drawn.data)
    assert "2 runs: 2 done" in drawn.data["text/plain"]
    assert "widget" not in json.dumps(drawn)

    # Somebody else opens it, who lacks its kernel; and no signature makes it trusted there.
    saved.metadata = {"kernelspec": {"name": "none-such", "display_name": "None such"}}
    sent = Notebook(page, lab.root / "sent.ipynb")
    nbformat.write(saved, sent.path)
    sent.open()
    choice = page.locator(".jp-Dialog")
    choice.get_by_role("button", name="No Kernel").click()
    choice.wait_for(state="detached")
    sent.wait_for(2, "2 runs: 2 done")
    for fold, text in enumerate(("a is 1", "a is 2")):
        sent.output(2).locator("summary").nth(fold).click()
        sent.wait_for(2, text)
    curves = sent.output(3).locator("img")
    assert curves.evaluate_all("all => all.length && all.every(image => image.naturalWidth > 0)")
    sent.photograph("read-without-kernel")
    assert not sent.has_kernel()


def test_a_run_moves_on_in_its_cell_while_the_kernel_is_free(
    page: Any, lab: Any, cluster: lepton.Cluster
) -> None:
    book = Notebook.of(page, lab.root / "live.ipynb", [LOAD, UNTIL_TOLD, "6 * 7"])
    book.run(0)
    book.run(1)
    book.wait_for(1, "waiting")
    book.run(2)
    book.wait_for(2, "42")
    assert "running" in book.output(1).inner_text()
    book.photograph("running")

    (lab.root / "go-on").touch()  # the page is not touched from here on
    book.wait_for(1, "going on")
    book.wait_for(1, "done")
    assert "running" not in book.output(1).inner_text()


def test_the_tab_key_completes_commands_and_options(page: Any, lab: Any) -> None:
    typed = ["%lepton clu", "%%lepton run --sw"]
    book = Notebook.of(page, lab.root / "tab.ipynb", [LOAD, *typed])
    book.run(0)
    assert book.complete(1) == ["cluster"]
    assert book.source(1) == "%lepton cluster"
    assert book.complete(2) == ["--sweep"]
    assert book.source(2) == "%%lepton run --sweep"
