"""Runs that execute until they are let go."""

from __future__ import annotations

from pathlib import Path

from conditions import wait_until

import lepton_jlab as lepton
from lepton_jlab.runs import Run

HELD = """
import os, time
from pathlib import Path
print(os.getpid(), 'here')
while not Path(go).exists():
    time.sleep(0.01)
"""


def hold(go: Path, **options: object) -> Run:
    """Return a run that executes until the file `go` is there."""
    run = lepton.submit(HELD, namespace={"go": str(go)}, **options)
    wait_until(lambda: "here" in run.output, about=f"{run.id} executing")
    return run


def pid_of(run: Run) -> int:
    """Return the process of a held run; the newest, if it was tried again."""
    return int([line for line in run.output.splitlines() if line.endswith("here")][-1].split()[0])
