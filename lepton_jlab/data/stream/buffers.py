"""Memory that windows are decoded into: aligned, and used again once nobody looks at it."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

ALIGNMENT = 64  # bytes; TensorFlow aborts the process over a tensor at any other address


def aligned(nbytes: int) -> Bytes:
    """Return new memory whose first byte is at a multiple of `ALIGNMENT`."""
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + nbytes]


class _Lease:
    """What every view of a buffer, NumPy array or tensor, keeps alive.

    Not an array: NumPy makes views of views refer to the array that owns the memory.
    """

    def __init__(self, memory: Bytes) -> None:
        self.__array_interface__: dict[str, Any] = memory.__array_interface__


class Buffers:
    """A few buffers of one size that go round.

    A buffer is given out as an array. Slices of it, and tensors made of these by DLPack, hold it;
    when the last of them is gone, the buffer is free again. So it is never overwritten under a
    tensor, and whoever keeps a batch costs memory but no correctness.

    Parameters
    ----------
    nbytes
        Size of each.
    count
        How many are given out at a time, unless one is demanded.
    """

    def __init__(self, nbytes: int, count: int) -> None:
        self.nbytes = nbytes
        self._count = count
        self._free: deque[Bytes] = deque()  # appended to by whichever thread drops the last view
        self._out: set[int] = set()

    def take(self, demanded: bool = False) -> Bytes | None:
        """Return a buffer; None if as many as allowed are held, unless it is `demanded`."""
        try:
            memory = self._free.pop()  # the newest: its pages are there
        except IndexError:
            if len(self._out) >= self._count and not demanded:
                return None
            memory = aligned(self.nbytes)
        lease = _Lease(memory)
        self._out.add(id(memory))
        end = weakref.finalize(lease, _give_back, weakref.ref(self), memory)
        end.atexit = False
        return np.asarray(lease)

    def clear(self) -> None:
        """Let go of the free ones."""
        self._free.clear()

    def _take_back(self, memory: Bytes) -> None:
        self._out.discard(id(memory))
        if len(self._out) + len(self._free) < self._count:
            self._free.append(memory)


def _give_back(buffers: weakref.ref[Buffers], memory: Bytes) -> None:
    held = buffers()
    if held is not None:
        held._take_back(memory)
