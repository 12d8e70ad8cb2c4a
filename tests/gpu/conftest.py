"""What a machine with a GPU must show: `python -m pytest tests/gpu -s`.

It takes cupy for the GPU of the machine, and where they are installed rmm, nvCOMP and TensorFlow's
CUDA build, too. The figures are printed at the end; those of record are in docs/gpu.md.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lepton_jlab.cluster.engines.cuda import gpu_count

HERE = Path(__file__).parent
FIGURES: dict[str, str] = {}


def pytest_collection_modifyitems(items):
    """Mark everything here, and skip it where there is no GPU."""
    mine = [item for item in items if HERE in item.path.parents]
    none = mine and not gpu_count()
    for item in mine:
        item.add_marker(pytest.mark.gpu)
        item.add_marker(pytest.mark.integration)
        if none:
            item.add_marker(pytest.mark.skip(reason="this machine has no GPU"))


def pytest_terminal_summary(terminalreporter):
    """Show what was measured, and on what."""
    if FIGURES:
        terminalreporter.section("figures")
        terminalreporter.write_line(smi("name,driver_version,memory.total"))
        for name, value in FIGURES.items():
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture
def figure():
    """Call it with a name and a text to have a figure shown."""
    return FIGURES.__setitem__


def smi(query: str, index: int = 0) -> str:
    """Return what nvidia-smi says of a device."""
    command = ["nvidia-smi", f"--id={index}", f"--query-gpu={query}"]
    command += ["--format=csv,noheader,nounits"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def used(index: int = 0) -> int:
    """Return the memory in use on a device, in bytes."""
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return int(pynvml.nvmlDeviceGetMemoryInfo(handle).used)
