"""Execute the quickstart headless: progress on the terminal, the result as a table and as HTML."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

HERE = Path(__file__).parent
OUT = HERE.parent / "demo"
REQUIRED_ACCURACY = 0.85


def main() -> int:
    """Run the notebook in the folder `demo`; return the exit status."""
    OUT.mkdir(exist_ok=True)
    for name in ("DATA", "RUNTIME"):  # apart from the user's own clusters and runs
        os.environ[f"JUPYTER_{name}_DIR"] = str(OUT / "jupyter" / name.lower())
    import lepton_jlab as lepton

    notebook = nbformat.read(HERE / "quickstart.ipynb", as_version=4)
    titles = _titles(notebook)

    def say(cell: nbformat.NotebookNode, cell_index: int) -> None:  # noqa: ARG001
        if title := titles.pop(cell_index, None):
            print(f"\n{title}", flush=True)

    client = NotebookClient(
        notebook,
        timeout=600,
        resources={"metadata": {"path": OUT}},
        on_cell_start=say,
        on_cell_executed=lambda cell, cell_index, execute_reply: _show(cell),  # noqa: ARG005
    )
    failed = False
    begin = time.monotonic()
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
        for cluster in lepton.clusters():
            cluster.stop(force=True)
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (OUT / "quickstart.html").write_text(page)
    print(f"\nThe executed notebook: {(OUT / 'quickstart.html').relative_to(HERE.parent)}")
    if failed:
        return 1
    runs = [run for run in lepton.runs() if "test_accuracy" in run.metrics]
    best = max(run.metrics["test_accuracy"] for run in runs)
    print(f"Best accuracy {best:.3f} in {time.monotonic() - begin:.0f} s.")
    if best < REQUIRED_ACCURACY:
        print(f"That is below {REQUIRED_ACCURACY}: something is wrong.", file=sys.stderr)
        return 1
    return 0


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
