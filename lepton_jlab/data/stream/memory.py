"""How the memory of a stream is shared out: windows, and what each reading thread holds."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lepton_jlab.data.stream.buffers import ALIGNMENT
from lepton_jlab.errors import DataError
from lepton_jlab.granted import granted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.column import Column
    from lepton_jlab.data.stream.chunks import Chunks

WINDOWS = 3  # one is given out, one is complete or nearly so, one is being filled
SMALL = 8 << 20  # an array up to this size, such as the labels, is read once and kept
# What a thread holds of a chunk: as it is stored and decoded; and what a codec makes of it on the
# way that does not decode into memory it is given.
_COPIES = {True: 2, False: 4}
IN_ORDER = 16 << 20  # of a window that is not shuffled: the first batch comes sooner

# A chunk's share of a shuffled window beyond which cutting units to the chunks of all arrays would
# spoil the shuffling.
_UNIT_SHARE = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What a stream holds.

    Attributes
    ----------
    cuts
        Positions at which the units of the order begin, and the number of samples.
    window
        Samples in a window.
    threads
        How many read and decode.
    """

    cuts: NDArray[np.int64]
    window: int
    threads: int


def make_plan(
    columns: Mapping[str, Column],
    large: Mapping[str, Chunks],
    memory: int,
    batch_size: int,
    shuffle: bool,
) -> Plan:
    """Return how `memory` bytes are used for the arrays in `columns`, of which some are `large`.

    Raises
    ------
    DataError
        If the memory does not suffice for the chunks as they are stored.
    """
    kept = sum(column.nbytes for name, column in columns.items() if name not in large)
    held = sum(_COPIES[chunks.in_place] * chunks.nbytes for chunks in large.values())
    threads = _threads(large.values(), memory // 4 // max(1, held))
    row = sum(_row_bytes(column, batch_size) for column in columns.values())
    window = (memory - kept - threads * held) // (WINDOWS * row)
    cuts = _cuts(columns, large, window // _UNIT_SHARE)
    unit = int(np.diff(cuts).max(initial=1))
    if window < unit:
        name = max(large, key=lambda n: large[n].nbytes, default="")
        least = kept + threads * held + WINDOWS * row * (unit + 1)
        raise DataError(
            f"memory is too little: {WINDOWS} windows of one chunk each need "
            f"{-(-least >> 20)} MiB, as a chunk of {name!r} has {unit:,} samples. Give "
            f'memory="{-(-least >> 20)}MiB", or import the dataset again with smaller chunks.'
        )
    if not shuffle:
        window = min(window, max(unit, IN_ORDER // row))
    return Plan(cuts, min(window, int(cuts[-1])), threads)


def rows_aligned(row_bytes: int, batch_size: int) -> int:
    """Return of how many rows the room for a batch is a multiple, so that each begins aligned.

    One where that would take a quarter more memory: small batches are soon copied.
    """
    rows = ALIGNMENT // math.gcd(ALIGNMENT, row_bytes)
    return rows if -(-batch_size // rows) * rows <= batch_size * 5 // 4 else 1


def _row_bytes(column: Column, batch_size: int) -> int:
    row = max(1, column.nbytes // max(1, len(column)))
    rows = rows_aligned(row, batch_size)
    return -(-row * (-(-batch_size // rows) * rows) // batch_size)


def cores() -> int:
    """Return how many cores this process may use; a run may use those of its worker."""
    share = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(granted().threads, int(share) if share.isdigit() else 1 << 10))


def _threads(large: Iterable[Chunks], most: int) -> int:
    """Return a thread a core, or as many as a remote store takes requests at once."""
    widths = [chunks.width for chunks in large if chunks.width is not None]
    return max(cores(), min(max(widths, default=1), most))


def _cuts(
    columns: Mapping[str, Column], large: Mapping[str, Chunks], most: int
) -> NDArray[np.int64]:
    """Cut the samples where chunks of all large arrays begin, so that none is read twice.

    Where such units had more than `most` samples, where chunks of the largest array begin.
    """
    leader = max(columns, key=lambda name: columns[name].nbytes)
    step = math.lcm(*(chunks.length for chunks in large.values()))
    if not large or step > max(most, 1):
        step = large[leader].length if leader in large else int(columns[leader].zarr.chunks[0]) or 1
    return columns[leader].cuts(step)
