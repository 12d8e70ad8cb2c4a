"""Execute notebooks headless: progress on the terminal, results as HTML, held to time and memory.

`make notebooks` executes all of them, `python notebooks/execute.py text edge` these two. Each
asserts its own figures, and prints them as "… (bound …)" just before; the summary repeats these
lines. Here ten minutes or 1.5 GiB exceeded are failures, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

HERE = Path(__file__).parent
OUT = HERE.parent / "demo"
SECONDS, MEMORY = 600, 1536 << 20  # what a notebook may take


@dataclass(frozen=True)
class Outcome:
    """How a notebook went: whether all cells ran, seconds, peak of memory in bytes, figures."""

    done: bool
    seconds: float
    memory: int
    figures: list[str]


def main() -> int:
    """Execute the notebooks named, or all; print a table and return the exit status."""
    names = sys.argv[1:] or sorted(path.stem for path in HERE.glob("*.ipynb"))
    outcomes = {}
    for name in names:
        print(f"\n=== {name}", flush=True)
        outcomes[name] = execute(name)
    print()
    failed = False
    for name, outcome in outcomes.items():
        faults = [] if outcome.done else ["a cell failed"]
        faults += [f"longer than {SECONDS} s"] if outcome.seconds > SECONDS else []
        faults += [f"more than {MEMORY >> 20} MiB"] if outcome.memory > MEMORY else []
        failed |= bool(faults)
        print(
            f"{name:<14} {outcome.seconds:4.0f} s  {outcome.memory >> 20:5} MiB  "
            f"{', '.join(faults) or 'good'}"
        )
        for line in outcome.figures:
            print(f"    {line}")
    return failed


def private_home() -> None:
    """Keep the user's own clusters, records and models out of it."""
    for kind in ("CONFIG", "DATA", "RUNTIME"):
        os.environ[f"JUPYTER_{kind}_DIR"] = str(OUT / "jupyter" / kind.lower())


def execute(name: str) -> Outcome:
    """Execute a notebook in the folder `demo`; write it there as HTML."""
    OUT.mkdir(exist_ok=True)
    private_home()
    import lepton_jlab as lepton

    notebook = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    titles = _titles(notebook)

    def say(cell: nbformat.NotebookNode, cell_index: int) -> None:  # noqa: ARG001
        if title := titles.pop(cell_index, None):
            print(f"\n{title}", flush=True)

    client = NotebookClient(
        notebook,
        timeout=900,
        resources={"metadata": {"path": OUT}},
        on_cell_start=say,
        on_cell_executed=lambda cell, cell_index, execute_reply: _show(cell),  # noqa: ARG005
    )
    failed = False
    begin = time.monotonic()
    with _memory() as peak:
        try:
            with _progress():
                client.execute(stderr=subprocess.DEVNULL)  # TensorFlow says a lot when it starts
        except CellExecutionError as error:
            failed = True
            print(f"\nA cell failed:\n{error}", file=sys.stderr)
        except KeyboardInterrupt:
            failed = True
            print("\nInterrupted.", file=sys.stderr)
        finally:
            for endpoint in lepton.endpoints():
                endpoint.stop()
            for cluster in lepton.clusters():
                cluster.stop(force=True)
    seconds = time.monotonic() - begin
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (OUT / f"{name}.html").write_text(page)
    print(f"\nThe executed notebook: {(OUT / f'{name}.html').relative_to(HERE.parent)}")
    return Outcome(not failed, seconds, max(peak), _figures(notebook))


def _titles(notebook: nbformat.NotebookNode) -> dict[int, str]:
    """Return the heading above each code cell that has one, by the cell's index."""
    titles = {}
    heading = None
    for index, cell in enumerate(notebook.cells):
        lines = [line for line in cell.source.splitlines() if line.startswith("#")]
        if cell.cell_type == "markdown" and lines:
            heading = lines[0].strip("# ")
        elif cell.cell_type == "code" and heading:
            titles[index], heading = heading, None
    return titles


def _show(cell: nbformat.NotebookNode) -> None:
    """Print what a cell said, as a terminal can show it."""
    for output in cell.outputs:
        if output.get("name") == "stderr":
            continue
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        if text.strip() and not text.startswith("<"):
            print("  " + text.rstrip().replace("\n", "\n  "), flush=True)


def _figures(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the lines that tell a figure and its bound."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    lines = (line for output in outputs for line in output.get("text", "").splitlines())
    return [line for line in lines if "(bound" in line]


@contextmanager
def _memory() -> Iterator[list[int]]:
    """Measure what the kernel and all that it starts take together, each second.

    Pages of libraries that others use, too, count in part: where nothing else runs from the same
    environment, this is more, in `science` by up to 190 MiB.
    """
    peak, done = [0], threading.Event()

    def look() -> None:
        home = os.environ["JUPYTER_RUNTIME_DIR"]
        while not done.wait(1.0):
            used = 0
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    own = process.pid != os.getpid()
                    if own and process.environ().get("JUPYTER_RUNTIME_DIR") == home:
                        used += process.memory_full_info().pss  # shared pages count once
            peak.append(used)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


@contextmanager
def _progress() -> Iterator[None]:
    """Keep one line up to date about the runs that are under way."""
    done = threading.Event()
    thread = threading.Thread(target=_tick, args=[done])
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _tick(done: threading.Event) -> None:
    import lepton_jlab as lepton

    last = ""
    while not done.wait(1.0):
        active = [run.to_dict() for run in lepton.runs() if run.ended is None]
        parts = [f"{r['id']} {_stage(r)}" for r in active]
        line = "  … " + ", ".join(parts) if parts else ""
        if line != last and line:
            print(line, flush=True)
        last = line


def _stage(run: dict) -> str:
    progress = run["progress"]
    if run["state"] != "running" or not progress:
        return run["state"]
    return f"epoch {progress['epoch']}/{progress['epochs']}"


if __name__ == "__main__":
    sys.exit(main())
