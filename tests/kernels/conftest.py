"""A cluster whose workers take kernels, and a kernel that lives on one."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

import lepton_jlab as lepton


@dataclass
class Kernel:
    """A kernel with its manager and a client, as a notebook has them."""

    manager: KernelManager
    client: Any

    def run(self, code: str, timeout: float = 30, **more: Any) -> tuple[str, str]:
        """Execute a cell; return its status and all the text that it shows."""
        shown: list[str] = []

        def show(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                shown.append(content["text"])
            elif message["msg_type"] in ("execute_result", "display_data"):
                shown.append(content["data"]["text/plain"])
            elif message["msg_type"] == "error":
                shown.append(f"{content['ename']}: {content['evalue']}")

        reply = self.client.execute_interactive(code, output_hook=show, timeout=timeout, **more)
        return reply["content"]["status"], "".join(shown)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def start_kernel(name: str, folder: Path | None = None) -> Kernel:
    """Start a kernel by the name of its kernelspec."""
    manager = KernelManager(kernel_name=name)
    manager.start_kernel(**({} if folder is None else {"cwd": str(folder)}))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=30)
    except BaseException:
        manager.shutdown_kernel(now=True)
        raise
    return Kernel(manager, client)


@pytest.fixture(scope="module")
def brief_patience(light: None) -> None:
    """Clusters that are warm at once and wait a second for a notebook that is gone."""
    path = Path(os.environ["JUPYTER_CONFIG_DIR"]) / "lepton_config.json"
    chosen = json.loads(path.read_text())
    chosen["Settings"]["kernel_patience"] = 1.0
    path.write_text(json.dumps(chosen))


@pytest.fixture(scope="module")
def offered(brief_patience: None) -> Iterator[lepton.Cluster]:
    """A cluster of two workers in Jupyter's launcher."""
    cluster = lepton.start_cluster(workers=2, threads=1, idle_timeout="10 min", kernel=True)
    yield cluster
    cluster.stop(force=True)


@pytest.fixture
def kernel(offered: lepton.Cluster, tmp_path: Path) -> Iterator[Kernel]:
    """A kernel on a free worker of `offered`, in a folder of its own."""
    started = start_kernel("lepton-local", tmp_path)
    yield started
    started.close()


def worker_processes(cluster: lepton.Cluster) -> list[psutil.Process]:
    """Return the processes of a local cluster's workers, oldest first."""
    children = psutil.Process(cluster.file["pid"]).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def execute(kernel: str, folder: Path, cells: tuple[str, ...]) -> nbformat.NotebookNode:
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    client = NotebookClient(
        book, kernel_name=kernel, timeout=60, resources={"metadata": {"path": str(folder)}}
    )
    return client.execute()


def outputs(book: nbformat.NotebookNode) -> list[Any]:
    """Return what cells show, without what differs from one execution to the next."""
    shown = []
    for cell in book.cells:
        for output in cell.outputs:
            data = dict(output.get("data", {}))
            data.pop("application/vnd.jupyter.widget-view+json", None)
            text = output.get("text", "")
            shown.append((output.output_type, data, "" if "time:" in text else text))
    return shown


def ending(kernel: Kernel, end: Any) -> tuple[str, str, float]:
    """Let something end while a cell runs; return what the cell shows, and s until then."""
    begun: list[float] = []

    def act() -> None:
        begun.append(time.monotonic())
        end()

    timer = threading.Timer(0.5, act)
    timer.start()
    status, text = kernel.run("import time; time.sleep(60)")
    timer.join()
    return status, text, time.monotonic() - begun[0]
