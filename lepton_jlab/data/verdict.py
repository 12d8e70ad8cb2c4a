"""Whether an array is cut well for training, in one sentence if it is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SMALL_CHUNK = 64 << 10  # bytes decoded; below this, opening a chunk takes longer than reading it
MANY_CHUNKS = 1000
MANY_FILES = 10_000
LARGE_CHUNK = 64 << 20  # a loader holds several at once, and permutes the samples in them
LARGE_SAMPLE = 32 << 20  # such a sample may well be cut


def chunk_bytes(chunks: Sequence[int], itemsize: int) -> int:
    """Return the size of a chunk when decoded."""
    return int(np.prod(chunks, dtype=np.int64)) * itemsize


def piece_count(shape: Sequence[int], pieces: Sequence[int]) -> int:
    """Return how many pieces, chunks or shards, make an array."""
    return int(np.prod([-(-n // max(1, p)) for n, p in zip(shape, pieces, strict=True)]))


def verdict(
    shape: Sequence[int], chunks: Sequence[int], shards: Sequence[int] | None, itemsize: int
) -> str | None:
    """Say what is wrong with the chunks of an array and what to do, or None if they are fine.

    Parameters
    ----------
    shape
        Of the array, ``(samples, …)``.
    chunks, shards
        Shapes of its chunks and, if it has them, of its shards.
    itemsize
        Bytes of one value.
    """
    if not shape:
        return None
    size, count = chunk_bytes(chunks, itemsize), piece_count(shape, chunks)
    files = piece_count(shape, shards or chunks)
    a_sample = piece_count(shape[1:], chunks[1:])
    if a_sample > 1 and chunk_bytes(shape[1:], itemsize) <= LARGE_SAMPLE:
        return (
            f"chunks split the sample axes: the loader must assemble {a_sample:,} chunks a sample; "
            "import again with --chunk auto"
        )
    if size > LARGE_CHUNK and chunks[0] > 1:
        return (
            f"chunks of {_size(size)} are too large to shuffle: {chunks[0]:,} samples must be "
            "decoded to get one; import again with --chunk auto"
        )
    if size < SMALL_CHUNK and count > MANY_CHUNKS:
        kept = "files" if shards is None else "chunks"
        return (
            f"chunks of {_size(size)} are small: {count:,} {kept}; import again with --chunk auto"
        )
    if files > MANY_FILES:
        return f"{files:,} files are slow to list and to copy; import again with --shard auto"
    return None


def _size(count: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} bytes"
