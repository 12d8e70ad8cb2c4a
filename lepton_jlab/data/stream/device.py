"""Chunks decoded on the GPU, a group at a time, where that was measured to be faster.

What is decoded comes back to the windows, in which batches are permuted: order, batches and what
is done to them are the same wherever chunks are decoded.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lepton_jlab.data import on_gpu
from lepton_jlab.data.stream.decoding import decoder
from lepton_jlab.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.stream.chunks import Chunks
    from lepton_jlab.data.stream.report import Meter

Decode = Literal["auto", "cpu", "gpu"]

_GROUP = 16 << 20  # decoded bytes of a group, and
_MOST = 64  # its chunks


def device_for(chunks: Chunks, decode: Decode) -> Device | None:
    """Return what decodes these chunks on the GPU; None where the processors do.

    Raises
    ------
    MissingDependencyError
        `decode` is ``"gpu"``, and CuPy or nvCOMP is not installed.
    UsageError
        It is ``"gpu"``, and this process has none, or nvCOMP cannot decode them.
    """
    if decode == "cpu":
        return None
    if decode == "auto":
        # A notebook outside of a run makes no context on a GPU that others may use.
        if os.environ.get("CUDA_VISIBLE_DEVICES", "") in ("", "-1") or _obstacle(chunks):
            return None
        try:
            return Device(chunks, on_gpu.module("cupy"), sure=False)
        except ImportError:
            return None
    cupy = on_gpu.module("cupy")
    on_gpu.module("nvidia.nvcomp")
    why = _obstacle(chunks)
    if why is not None:
        raise UsageError(
            f"decode='gpu': the array {chunks.name!r} cannot be decoded there: {why}. Leave "
            "decode out: the processors decode it."
        )
    try:
        found = cupy.cuda.runtime.getDeviceCount()
    except Exception:  # noqa: BLE001 - CuPy's own kind, where there is no driver
        found = 0
    if not found:
        raise UsageError("decode='gpu': this process sees no GPU. Leave decode out.")
    return Device(chunks, cupy, sure=True)


def _obstacle(chunks: Chunks) -> str | None:
    if chunks.codecs is None:
        return "its chunks are not whole samples of plain numbers"
    if chunks.width is not None:
        return "it is read over a network, which is slower than either"
    return on_gpu.obstacle([codec["name"] for codec in chunks.codecs])


class Device:
    """Decodes the chunks of one array.

    Parameters
    ----------
    cupy
        The module.
    sure
        Whether it does so in any case, and not only where it is faster.

    Attributes
    ----------
    group
        How many chunks it takes at a time.
    used
        Whether it decodes, to all that is known so far.
    """

    def __init__(self, chunks: Chunks, cupy: Any, sure: bool) -> None:
        self.group = max(1, min(_MOST, _GROUP // max(1, chunks.nbytes)))
        self.used = True
        self._chunks = chunks
        self._cupy = cupy
        self._sure = sure
        self._lock = threading.Lock()
        self._rooms: deque[NDArray[np.uint8]] = deque()

    @contextlib.contextmanager
    def load(self, numbers: Sequence[int], meter: Meter) -> Iterator[NDArray[Any] | None]:
        """Give chunks decoded, shape ``(chunks, length, …)``, good until the end of the block.

        None where the processors have to read them: it is not faster, a chunk was never written,
        or something is wrong with one, which they tell better.
        """
        room = None
        try:
            room = self._decoded(numbers, meter)
        except (MemoryError, DataError):
            raise
        except Exception as error:  # noqa: BLE001 - a driver, nvCOMP and CuPy have kinds of their own
            self._give_up(error)
        if room is None:
            yield None
            return
        chunks = self._chunks
        values = room[: len(numbers)].view(chunks.dtype)
        yield values.reshape(len(numbers), chunks.length, *chunks.shape[1:])
        self._rooms.append(room)

    def _decoded(self, numbers: Sequence[int], meter: Meter) -> NDArray[np.uint8] | None:
        began = time.perf_counter()
        stored = [one for one in map(self._chunks.encoded, numbers) if one is not None]
        if len(stored) < len(numbers):
            return None
        read = time.perf_counter()
        try:
            room = self._rooms.pop()
        except IndexError:
            room = self._pinned()
        if not self._pays(stored, room):
            return None
        start = time.perf_counter()
        self._decode(stored, room)
        meter.add(
            read=read - began,
            decode=time.perf_counter() - start,
            stored=sum(map(len, stored)),
            decoded=len(stored) * self._chunks.nbytes,
        )
        return room

    def _pinned(self) -> NDArray[np.uint8]:
        """Return room for a group, shape ``(group, bytes of a chunk)``."""
        count = self.group * self._chunks.nbytes
        memory = self._cupy.cuda.alloc_pinned_memory(count)
        return np.frombuffer(memory, np.uint8, count).reshape(self.group, -1)

    def _pays(self, stored: Sequence[bytes], room: NDArray[np.uint8]) -> bool:
        with self._lock:
            if not self._sure and self.used:
                into = decoder(self._chunks.codecs or ())
                assert into is not None  # as nvCOMP has the codec
                faster = on_gpu.faster(
                    self._cupy,
                    f"{self._chunks.nbytes} bytes a chunk, for batches",
                    {
                        "gpu": lambda: self._decode(stored, room),
                        "cpu": lambda: on_gpu.decode_into(into, stored, room),
                    },
                )
                self.used = self._sure = faster == "gpu"
        return self.used

    def _decode(self, stored: Sequence[bytes], room: NDArray[np.uint8]) -> None:
        codecs, size = self._chunks.codecs or (), self._chunks.nbytes
        decoded = on_gpu.decode_on_gpu(self._cupy, codecs, stored, size)
        decoded.get(out=room[: len(stored)])

    def _give_up(self, error: Exception) -> None:
        with self._lock:
            told, self.used = not self.used, False
        if not told:
            warnings.warn(
                f"The GPU does not decode {self._chunks.name!r}: {type(error).__name__}: {error}. "
                "The processors go on.",
                stacklevel=2,
            )
