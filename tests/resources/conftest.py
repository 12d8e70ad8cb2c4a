"""Invented GPUs, whose state a test writes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "nvml_stub.c"
MIB = 2**20


class InventedGpus:
    """The file that the stub of NVML reads at each call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[int, str] = {}
        self.processes: list[str] = []

    def set(self, index: int, *, use=0, used=0, watts=0, celsius=40, state="ok") -> None:
        total = 16 * 1024 * MIB
        self.lines[index] = f"gpu {index} {use} {used} {total} {watts * 1000} {celsius} {state}"
        self._write()

    def put(self, index: int, pid: int, memory: int) -> None:
        self.processes.append(f"process {index} {pid} {memory}")
        self._write()

    def _write(self) -> None:
        count = f"count {max(self.lines) + 1}" if self.lines else "count 0"
        new = self.path.with_suffix(".new")
        new.write_text("\n".join([count, *self.lines.values(), *self.processes]) + "\n")
        new.replace(self.path)


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stub, compiled."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: apt-get install gcc")
    library = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    options = ["-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1"]
    subprocess.run(["cc", *options, "-o", str(library), str(SOURCE)], check=True)
    ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)  # the linker finds it by its name from here on
    return library


@pytest.fixture
def invented(
    nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InventedGpus]:
    """GPUs of this test, none at first."""
    gpus = InventedGpus(tmp_path / "gpus")
    gpus._write()
    monkeypatch.setenv("LEPTON_NVML_STATE", str(gpus.path))
    yield gpus
