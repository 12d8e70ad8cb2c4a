"""How arrays are cut: samples in a chunk, chunks in a shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lepton_jlab.errors import UsageError
from lepton_jlab.sizes import parse_bytes

if TYPE_CHECKING:
    from lepton_jlab.data.sources import Samples

AUTO = "auto"
NONE = "none"
CHUNK_BYTES = 1 << 20  # decoded
CHUNK_SAMPLES = 64  # at least, unless they would be more than
LARGEST_CHUNK = 32 << 20
MANY_FILES = 10_000  # of one array: from there on file systems and listings become slow
SHARD_BYTES = 64 << 20  # decoded, at least; a shard is written from memory at once
LARGEST_SHARD = 512 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """Samples in a chunk, and in a shard if there are shards; other axes are never cut.

    So a sample lies in one chunk, which is what a loader reads fastest.
    """

    chunk: int
    shard: int | None = None

    @property
    def together(self) -> int:
        """Samples in one file."""
        return self.shard or self.chunk


def plan_layouts(
    arrays: Mapping[str, Samples], chunk: str | int = AUTO, shard: str | int = AUTO
) -> dict[str, Layout]:
    """Return how to cut arrays that share their samples.

    The chunks of all are multiples of those of the array with the largest samples, so that they
    can be read together.

    Parameters
    ----------
    arrays
        Arrays of shape ``(samples, …)``.
    chunk
        Samples in a chunk of the array with the largest samples, or the size of its chunks before
        compression (``"1MiB"``); ``"auto"`` is about 1 MiB and 64 samples or more. The others
        follow.
    shard
        Samples or size (``"256MiB"``) of the files that hold several chunks each, ``"none"`` for a
        file a chunk; ``"auto"`` makes shards of an array with more than 10,000 chunks, of 64 MiB
        or as large as is needed to have fewer files.

    Raises
    ------
    UsageError
        If `chunk` or `shard` is neither a number, a size nor one of the words.
    """
    leader = max(arrays, key=lambda name: sample_bytes(arrays[name]))
    size, total = sample_bytes(arrays[leader]), arrays[leader].shape[0]
    samples = _samples(chunk, "--chunk", size, (AUTO,))
    step = chunk_samples(arrays[leader], 1) if samples is None else min(samples, max(1, total))
    layouts = {}
    for name, values in arrays.items():
        length = step if name == leader else chunk_samples(values, step)
        layouts[name] = Layout(length, _shard(values, length, shard))
    return layouts


def check_layout(chunk: str | int, shard: str | int) -> None:
    """Refuse what `plan_layouts` would refuse, before a source is read."""
    _samples(chunk, "--chunk", 1, (AUTO,))
    _samples(shard, "--shard", 1, (AUTO, NONE))


def chunk_samples(values: Samples, step: int) -> int:
    """Return how many samples make a chunk of about 1 MiB, a multiple of `step`."""
    size = sample_bytes(values)
    wanted = max(CHUNK_SAMPLES, CHUNK_BYTES // size)
    wanted = min(wanted - wanted % CHUNK_SAMPLES, max(1, LARGEST_CHUNK // size))
    return min(max(1, wanted // step) * step, max(1, values.shape[0]))


def sample_bytes(values: Samples) -> int:
    """Return the size of one sample before compression, at least 1."""
    return max(1, int(np.prod(values.shape[1:], dtype=np.int64)) * values.dtype.itemsize)


def _shard(values: Samples, chunk: int, shard: str | int) -> int | None:
    """Return the samples in a shard, a multiple of `chunk`, or None for no shards."""
    samples, size = values.shape[0], sample_bytes(values)
    chunks = -(-samples // chunk)
    wanted = _samples(shard, "--shard", size, (AUTO, NONE))
    if shard == NONE or chunks < 2 or (wanted is None and chunks <= MANY_FILES):
        return None
    if wanted is None:
        few_files = -(-chunks // MANY_FILES) * chunk * size
        wanted = min(max(SHARD_BYTES, few_files), LARGEST_SHARD) // size
    count = min(max(1, wanted // chunk), chunks)
    return count * chunk


def _samples(value: str | int, what: str, size: int, words: tuple[str, ...]) -> int | None:
    """Read a number of samples, or of bytes in samples of `size`; None for one of `words`."""
    if value in words:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and value.strip().isdecimal() and int(value) > 0:
        return int(value)
    try:
        count = parse_bytes(value if isinstance(value, str) else 0, what) // size
    except UsageError:
        raise UsageError(
            f"{what} {value!r} is neither a number of samples, nor a size such as 1MiB, "
            f"nor {' or '.join(words)}."
        ) from None
    return max(1, count - count % CHUNK_SAMPLES if count > CHUNK_SAMPLES else count)
