"""Writes arrays as Zarr v3: several blocks at a time, in memory that is bounded."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.layout import Layout, sample_bytes
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

    from lepton_jlab.data.sources import Samples
    from lepton_jlab.data.unfinished import Unfinished

BLOCK_BYTES = 32 << 20  # written at a time, or one shard where that is more
WRITERS = 2  # blocks on their way; the chunks of each are encoded on all cores


@dataclass(frozen=True, slots=True)
class Job:
    """An array to be filled.

    Attributes
    ----------
    path
        Of the array in the dataset, as ``test/x``.
    values
        Samples that it gets, shape ``(samples, …)``.
    target
        The Zarr array.
    layout
        How it is cut into files.
    """

    path: str
    values: Samples
    target: zarr.Array[Any]
    layout: Layout

    def bytes_of(self, samples: int) -> int:
        """Return the size of so many samples before compression."""
        return sample_bytes(self.values) * samples

    @property
    def nbytes(self) -> int:
        """Size of all samples before compression, in bytes."""
        return self.bytes_of(self.values.shape[0])

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield stretches of samples that are whole files, and whole chunks of the source."""
        together = self.layout.together
        size = together * sample_bytes(self.values)
        wanted = max(BLOCK_BYTES // size, 1)
        stored = getattr(self.values, "stored_together", 1)  # else they would be decoded repeatedly
        count = max(wanted, min(-(-stored // together), 4 * wanted))
        for start in range(0, self.values.shape[0], count * together):
            yield start, min(start + count * together, self.values.shape[0])


def fill(jobs: Sequence[Job], into: Unfinished, advance: Callable[[int], None]) -> None:
    """Write the blocks that are not written yet.

    While `WRITERS` blocks are encoded and written by threads the next is read from its source. An
    interruption waits for those on their way, so that nothing is written after it.

    Parameters
    ----------
    jobs
        The arrays, with what they get.
    into
        Knows what is written already, and notes what is.
    advance
        Called with a number of bytes: first with that of the blocks written earlier, then with
        that of each block.
    """
    missing: list[tuple[Job, int, int]] = []
    earlier = 0
    for job in jobs:
        for start, stop in job.blocks():
            if into.is_done(job.path, start):
                earlier += job.bytes_of(stop - start)
            else:
                missing.append((job, start, stop))
    advance(earlier)
    on_way: deque[tuple[Future[None], Job, int, int]] = deque()

    def finish() -> None:
        future, job, start, stop = on_way.popleft()
        future.result()
        into.done(job.path, start)
        advance(job.bytes_of(stop - start))

    with ThreadPoolExecutor(WRITERS, thread_name_prefix="lepton-write") as pool:
        for job, start, stop in missing:
            block = np.ascontiguousarray(job.values[start:stop])
            on_way.append((pool.submit(write_block, job.target, start, block), job, start, stop))
            del block
            if len(on_way) == WRITERS:
                finish()
        while on_way:
            finish()


def write_block(target: zarr.Array[Any], start: int, block: NDArray[Any]) -> None:
    """Write a block; chunks of nothing but zeros too, so that one that is missing is damage."""
    rows = slice(start, start + len(block))
    try:
        target.with_config({"write_empty_chunks": True})[rows] = block
    except OSError as error:
        raise DataError(f"{target.store_path} cannot be written: {error}") from error


def consolidate(folder: Path) -> None:
    """Write the metadata of all arrays into that of the group.

    So a store without listings, such as a web server, can be opened. Whoever adds or changes arrays
    later must call it again: readers believe it.
    """
    import zarr

    with warnings.catch_warnings():  # that it is not in the specification; readers may ignore it
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(folder))
