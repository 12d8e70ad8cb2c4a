"""NumPy in the place of CuPy and numcodecs in that of nvCOMP, for what Lepton asks of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numcodecs import zstd

from lepton_jlab.data import on_gpu


class _Array(np.ndarray):
    def set(self, values: np.ndarray) -> None:
        self[...] = values

    def get(self, out: np.ndarray) -> None:
        out[...] = self


class InventedGpu:
    """What was asked of it; `broken` makes each decode an error of the driver."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self.broken = False
        self.count = 1
        device = SimpleNamespace(id=0, ptr=0, synchronize=lambda: None)
        self.cupy: Any = ModuleType("cupy")
        self.cupy.empty = lambda shape, dtype: np.empty(shape, dtype).view(_Array)
        self.cupy.full = np.full
        self.cupy.asarray = self.cupy.from_dlpack = np.asarray
        self.cupy.cuda = SimpleNamespace(
            alloc_pinned_memory=bytearray,
            get_current_stream=lambda: device,
            Device=lambda: device,
            runtime=SimpleNamespace(
                getDeviceProperties=lambda _: {"name": b"Invented"},
                getDeviceCount=lambda: self.count,
            ),
        )
        nvcomp: Any = ModuleType("nvidia.nvcomp")
        nvcomp.BitstreamKind = SimpleNamespace(RAW="raw")
        nvcomp.as_arrays = list
        nvcomp.Codec = lambda **_: SimpleNamespace(decode=self._decode)
        patch.setitem(sys.modules, "cupy", self.cupy)
        patch.setitem(sys.modules, "nvidia", ModuleType("nvidia"))
        patch.setitem(sys.modules, "nvidia.nvcomp", nvcomp)

    def _decode(self, frames: list[np.ndarray]) -> list[SimpleNamespace]:
        self.calls["decode"] += 1
        self.calls["chunks"] += len(frames)
        if self.broken:
            raise RuntimeError("the driver is gone")
        values = [np.frombuffer(zstd.decompress(frame), np.uint8) for frame in frames]
        return [SimpleNamespace(to_dlpack=lambda one=one: one) for one in values]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InventedGpu]:
    """A GPU that nothing was measured on yet."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    on_gpu.data_folder.cache_clear()
    yield InventedGpu(monkeypatch)
    on_gpu.data_folder.cache_clear()
