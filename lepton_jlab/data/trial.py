"""Tries codecs on a sample of an array and chooses one: for speed, for size, or balanced."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.codecs import CODECS, TEXT_KINDS, Codec, candidates, decoder, encoder
from lepton_jlab.errors import UsageError, suggestion
from lepton_jlab.granted import granted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.sources import Samples

SAMPLE_BYTES = 4 << 20  # of an array, decoded
PLACES = 4  # from which the sample is taken
WORTH_TRYING = 1 << 16  # bytes; the codec of a smaller array does not matter
ROUNDS = 3  # the fastest counts
ALIKE = 0.02  # costs that differ by less than this share are the same, unless size is the goal


@dataclass(frozen=True, slots=True)
class Goal:
    """What a codec is chosen for (see `cost`).

    Attributes
    ----------
    link
        MB/s at which stored bytes come: of a local SSD for speed, of a network or an object store
        for balanced.
    writing
        What encoding a byte counts against decoding it.
    """

    link: float
    writing: float


BALANCED = "balanced"
GOALS = {"speed": Goal(2000, 0), "size": Goal(0, 0), BALANCED: Goal(200, 0.05)}


@dataclass(frozen=True, slots=True)
class Measured:
    """One codec on the sample; speeds are of one core, in MB/s of decoded bytes."""

    codec: str
    ratio: float
    encode: float
    decode: float
    portable: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """What was measured on an array, and which codec it led to."""

    goal: str
    chosen: str
    sample_bytes: int
    codecs: list[Measured]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def check_goal(goal: str) -> None:
    """Refuse a goal that is none.

    Raises
    ------
    UsageError
        If `goal` is not ``speed``, ``size`` or ``balanced``.
    """
    if goal not in GOALS:
        raise UsageError(f"{goal!r} is none of {', '.join(GOALS)}.{suggestion(goal, GOALS)}")


def try_codecs(values: Samples, chunk: int, goal: str = BALANCED) -> Trial:
    """Compress and decompress some chunks of `values` with each candidate and choose.

    Parameters
    ----------
    values
        Array of shape ``(samples, …)``.
    chunk
        Samples in a chunk.
    goal
        ``"speed"``, ``"size"`` or ``"balanced"``; `cost` says what they mean.
    """
    chunks = sample_chunks(values, chunk)
    dtype = values.dtype
    with ThreadPoolExecutor(1) as pool:  # away from the main thread Blosc uses one core
        tried = [pool.submit(measure, c, dtype, chunks).result() for c in candidates(dtype)]
    size = sum(part.nbytes for part in chunks)
    return Trial(goal, choose(tried, goal, granted().threads).codec, size, tried)


def sample_chunks(values: Samples, chunk: int) -> list[NDArray[Any]]:
    """Return whole chunks from evenly spaced places, in the form that is compressed.

    Chunks that are very large are cut. Text is taken as the bytes that Zarr makes of it.
    """
    samples = values.shape[0]
    text = values.dtype.kind in TEXT_KINDS
    per_sample = max(1, int(np.prod(values.shape[1:], dtype=np.int64)) * values.dtype.itemsize)
    length = max(1, min(chunk, samples, SAMPLE_BYTES // per_sample))
    places = min(PLACES, max(1, SAMPLE_BYTES // (length * per_sample)), -(-samples // length))
    last = (samples - 1) // length
    starts = sorted({round(i * last / max(1, places - 1)) * length for i in range(places)})
    taken = [np.ascontiguousarray(values[start : start + length]) for start in starts]
    if not text:
        return [part.astype(part.dtype.newbyteorder("="), copy=False) for part in taken]
    from numcodecs import VLenUTF8

    as_stored = VLenUTF8()
    words = (part.astype(str).astype(object).reshape(-1) for part in taken)
    return [np.frombuffer(as_stored.encode(part), np.uint8) for part in words]


def measure(codec: Codec, dtype: np.dtype[Any], chunks: Sequence[NDArray[Any]]) -> Measured:
    """Encode and decode `chunks` with one codec."""
    size = sum(part.nbytes for part in chunks)
    encode, decode = encoder(codec, dtype), decoder(codec, dtype)
    plain = [_comparable(part) for part in chunks]
    encoded: list[Any] = []

    def encode_all() -> None:
        encoded[:] = [encode(part) for part in plain]

    started = time.perf_counter()
    encode_all()
    slow = time.perf_counter() - started
    encoding = slow if slow > 0.1 else _fastest(encode_all)
    outs = [np.empty_like(part) for part in plain]

    def decode_all() -> None:
        for data, out in zip(encoded, outs, strict=True):
            decode(data, out)

    decoding = _fastest(decode_all)
    stored = sum(memoryview(data).nbytes for data in encoded)
    return Measured(
        codec.name,
        round(size / max(1, stored), 3),
        round(size / 1e6 / max(encoding, 1e-9), 1),
        round(size / 1e6 / max(decoding, 1e-9), 1),
        codec.portable,
    )


def _comparable(part: NDArray[Any]) -> NDArray[Any]:
    """Return times as integers, which buffers can hold."""
    return part.view(np.int64) if part.dtype.kind in "mM" else part


def _fastest(work: Callable[[], None]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def cost(measured: Measured, goal: str, cores: int) -> float:
    """Return what a codec costs, the less the better.

    For speed and balanced it is the seconds that a decoded MB takes to arrive and to be decoded,
    and a share of its encoding::

        1 / (ratio * link) + (1 / decode + writing / encode) / cores

    in MB/s, with the link (2000 for speed: a local disk; 200 for balanced: a network) and the
    weight of writing (0 for speed, 1/20 for balanced: a dataset is read for many epochs) of the
    goal. For size it is the stored share, 1 / ratio, and nothing else.
    """
    if goal == "size":
        return 1 / max(measured.ratio, 1e-9)
    aim = GOALS[goal]
    working = 1 / measured.decode + aim.writing / measured.encode
    return 1 / (measured.ratio * aim.link) + working / cores


def choose(tried: Sequence[Measured], goal: str, cores: int) -> Measured:
    """Return the portable codec of the least cost; among those alike, the one decoded fastest."""
    costs = {one.codec: cost(one, goal, cores) for one in tried if CODECS[one.codec].portable}
    most = min(costs.values()) * (1 if goal == "size" else 1 + ALIKE)
    alike = [one for one in tried if costs.get(one.codec, np.inf) <= most]
    return max(alike, key=lambda one: one.decode)
