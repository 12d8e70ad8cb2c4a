"""Where a benchmark lives: private folders, one thread a cell, and nothing left when it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from lepton_jlab import Run
    from lepton_jlab.cluster import Cluster

WORKERS = 2

# The same caps for everyone: Lepton sets them by itself, its peers do not.
CAPS = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
_FOLDERS = ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "TMPDIR")
_PATIENCE = 20.0  # seconds for what has been told to end


@contextmanager
def private_home() -> Iterator[Path]:
    """Lead this process and all that it starts to temporary folders; end and remove it all after.

    Raises
    ------
    RuntimeError
        When a process did not end by itself; it has been killed.
    """
    home = Path(tempfile.mkdtemp(prefix="bench-"))
    for name in _FOLDERS:
        (home / name.lower()).mkdir(mode=0o700)
        os.environ[name] = str(home / name.lower())
    tempfile.tempdir = None  # so that TMPDIR is read again
    os.environ.update(dict.fromkeys(CAPS, "1"))
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    try:
        yield home
    finally:
        from lepton_jlab.cluster import clusters

        for cluster in clusters():
            cluster.stop(force=True)
        left = await_end()
        for process in left:
            process.kill()
        shutil.rmtree(home, ignore_errors=True)
    if left:
        raise RuntimeError(f"These had to be killed: {', '.join(map(str, left))}")


@contextmanager
def cluster(name: str = "bench") -> Iterator[Cluster]:
    """Start a cluster of two workers whose fork server is warm."""
    import lepton_jlab as lepton

    started = lepton.start_cluster(name, engine="local", workers=WORKERS, threads=1)
    try:
        lepton.submit("x = 1", repeat=2 * WORKERS, push="none").wait(120)
        yield started
    finally:
        started.stop(force=True)
        await_end("lepton_jlab")


def submit(cell: str) -> Run:
    """Submit one cell that brings nothing along."""
    import lepton_jlab as lepton

    run = lepton.submit(cell, push="none")
    assert isinstance(run, lepton.Run)
    return run


def await_end(word: str = "") -> list[psutil.Process]:
    """Wait until no process of ours whose command has `word` is left; return those that stay.

    A fork server outlives its cluster by some seconds, and would disturb what is measured next.
    """
    end = time.monotonic() + _PATIENCE
    while (left := _processes(word)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def _processes(word: str) -> list[psutil.Process]:
    """Return the processes that have inherited this one's private folders, detached ones too."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("JUPYTER_RUNTIME_DIR") != os.environ["JUPYTER_RUNTIME_DIR"]:
                continue
            command = " ".join(process.cmdline())
        except psutil.Error:
            continue
        # multiprocessing keeps its tracker for as long as this process lives.
        own = process.pid == os.getpid() or "resource_tracker" in command
        if word in command and not own:
            found.append(process)
    return found
