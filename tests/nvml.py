"""Invented GPUs: a stub of NVML (nvml_stub.c) whose state a test writes.

`nvml_library` compiles the stub once a session and loads it into this process; `invented` gives one
test GPUs of its own. Processes that a test starts see them with `InventedGpus.environment`.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "nvml_stub.c"
MIB = 2**20


class InventedGpus:
    """The file that the stub reads; each call changes what the devices do from then on.

    Parameters
    ----------
    path
        Of the file.
    library
        The stub.
    count
        How many devices there are at first; naming a further one adds it.
    """

    def __init__(self, path: Path, library: Path, count: int = 0) -> None:
        self.path = path
        self.library = library
        self.count = count
        self.lines: dict[tuple[object, ...], str] = {}
        self.processes: list[str] = []
        self._write()

    @property
    def environment(self) -> dict[str, str]:
        """The environment that a process needs to see them."""
        paths = filter(None, [str(self.library.parent), os.environ.get("LD_LIBRARY_PATH")])
        return {"LEPTON_NVML_STATE": str(self.path), "LD_LIBRARY_PATH": ":".join(paths)}

    def set(self, index: int, *, use=0, used=0, watts=0, celsius=40, state="ok", total=16384 * MIB):
        """Say what a device does: percent, bytes, watts, degrees; ok, lost or hung."""
        self._say("gpu", index, text=f"{use} {used} {total} {watts * 1000} {celsius} {state}")

    def mig(self, index: int, *sizes: int) -> list[str]:
        """Divide a device into MIG devices of these sizes in bytes; return their UUIDs."""
        for slot, size in enumerate(sizes):
            self._say("mig", index, slot, text=str(size))
        return [f"MIG-00000000-0000-0000-{slot:04}-{index:012}" for slot in range(len(sizes))]

    def put(self, index: int, pid: int, memory: int, *, slot: int = -1, use: int = 0) -> None:
        """Have a process use memory (bytes) of a device, or of its MIG device `slot`."""
        self.processes.append(f"process {index} {pid} {memory} {slot} {use}")
        self._write()

    def power(self, index: int, *points: tuple[float, float], counter: bool, start: float = 0.0):
        """Have a device's power follow straight lines between (seconds, watts), from now on.

        With `counter` it has an energy counter, too, whose value is their exact integral. `start`
        is in seconds since the epoch, by default now. Returns it.
        """
        start = start or time.time()
        curve = " ".join(f"{s} {watts * 1000}" for s, watts in points)
        self._say("curve", index, text=f"{'counter' if counter else 'sampled'} {start:f} {curve}")
        return start

    def figure(self, index: int, name: str, number: int) -> None:
        """Give a device one of the figures that the stub knows by name, such as ``sm_clock``."""
        self._say("set", index, name, text=str(number))

    def lost_at(self, index: int, path: Path) -> Path:
        """Have a device be lost once there is a file at `path`."""
        self._say("lost", index, text=str(path))
        return path

    def hang_at(self, index: int, path: Path) -> Path:
        """Have the calls for a device not return while there is a file at `path`."""
        self._say("hang", index, text=str(path))
        return path

    @staticmethod
    def uuid(index: int) -> str:
        """Return the UUID of a device."""
        return f"GPU-00000000-0000-0000-0000-{index:012}"

    def _say(self, word: str, index: int, *more: object, text: str) -> None:
        self.count = max(self.count, index + 1)
        self.lines[word, index, *more] = " ".join(map(str, (word, index, *more, text)))
        self._write()

    def _write(self) -> None:
        new = self.path.with_suffix(".new")
        lines = [f"count {self.count}", *self.lines.values(), *self.processes]
        new.write_text("\n".join(lines) + "\n")
        new.replace(self.path)


def compiled(folder: Path) -> Path:
    """Compile the stub; whoever has it on LD_LIBRARY_PATH finds it."""
    library = folder / "libnvidia-ml.so.1"
    options = ["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-pthread"]
    named = "-Wl,-soname,libnvidia-ml.so.1"
    subprocess.run(["cc", *options, named, "-o", str(library), str(SOURCE)], check=True)
    return library


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stub, compiled, and found by its name in this process."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: apt-get install gcc")
    library = compiled(tmp_path_factory.mktemp("nvml"))
    ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)  # the linker finds it by its name from here on
    return library


@pytest.fixture
def invented(
    nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InventedGpus]:
    """GPUs of this test, none at first."""
    gpus = InventedGpus(tmp_path / "gpus", nvml_library)
    monkeypatch.setenv("LEPTON_NVML_STATE", str(gpus.path))
    yield gpus
