"""Kernels that are restarted or killed: their runs finish, and a new kernel reads all of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from conditions import wait_gone, wait_until
from jupyter_client import KernelManager

import lepton_jlab as lepton

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light", "cluster")]

# Four runs on two slots: two are in the middle, and two wait, when the kernel goes.
SWEEP = """%%lepton run --sweep n=1,2,3,4 --pull square --name {name}
import time
from pathlib import Path
print("begun", n)
while not Path({go!r}).exists():
    time.sleep(0.01)
square = n * n
for line in range(1000):
    print("line", line)
"""
READ = """
import lepton_jlab as lepton
found = lepton.run({name!r}).wait(60)
for run in found:
    print(run.state, run.values["square"], len(run.output.splitlines()), run.output.split()[-1])
"""


class Notebook:
    """A kernel, and what its cells print."""

    def __init__(self) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel()
        self.connect()

    def connect(self) -> None:
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code: str) -> str:
        printed: list[str] = []

        def hear(message: dict) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, timeout=60, output_hook=hear)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    opened = Notebook()
    yield opened
    opened.close()


def submit(notebook: Notebook, name: str, go: str) -> int:
    """Submit the sweep in a cell, and return the kernel's process once it is in the middle."""
    notebook.run("%load_ext lepton_jlab")
    notebook.run(SWEEP.format(name=name, go=go))
    trials = lepton.run(name)
    states = ["running", "running", "queued", "queued"]
    wait_until(lambda: [run.state for run in trials] == states, about="the middle of the sweep")
    wait_until(lambda: all("begun" in run.output for run in trials[:2]), about="both slots")
    return int(notebook.run("import os; print(os.getpid())"))


EXPECTED = [f"done {n * n} 1001 999" for n in (1, 2, 3, 4)]


def test_a_restarted_kernel_finds_its_sweep(notebook, tmp_path):
    pid = submit(notebook, "restarted", str(tmp_path / "go"))
    notebook.client.stop_channels()
    notebook.manager.restart_kernel(now=False)
    wait_gone([pid])
    assert [run.state for run in lepton.run("restarted")] == [*["running"] * 2, *["queued"] * 2]
    (tmp_path / "go").touch()
    notebook.connect()
    assert notebook.run(READ.format(name="restarted")).splitlines() == EXPECTED


def test_a_killed_kernel_costs_no_run(notebook, tmp_path):
    pid = submit(notebook, "killed", str(tmp_path / "go"))
    os.kill(pid, signal.SIGKILL)
    wait_gone([pid])
    (tmp_path / "go").touch()
    trials = lepton.run("killed").wait(60)
    assert [run.state for run in trials] == ["done"] * 4
    for run in trials:
        n = run.params["n"]
        assert run.output == f"begun {n}\n" + "".join(f"line {m}\n" for m in range(1000))
    other = Notebook()
    try:
        assert other.run(READ.format(name="killed")).splitlines() == EXPECTED
    finally:
        other.close()


def test_interrupting_a_waiting_cell_stops_only_the_waiting(notebook, tmp_path):
    notebook.run("%load_ext lepton_jlab")
    go = str(tmp_path / "go")
    code = SWEEP.format(name="waited", go=go).replace("--name", "--wait --name")
    notebook.client.execute(code)
    trials = wait_until(
        lambda: [run for run in lepton.runs() if run.name == "waited"], about="the submission"
    )
    wait_until(lambda: "begun" in trials[0].output, about="a run in the middle")
    notebook.manager.interrupt_kernel()
    assert notebook.run("print('free')") == "free\n"
    assert trials[0].state == "running"
    (tmp_path / "go").touch()
    assert [run.wait(60).state for run in trials] == ["done"] * 4
