"""Zarr arrays in all the ways in which they can be stored, and streams of them with many windows.

Each way says whether it is one that Lepton decodes itself.
"""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from conditions import wait_until
from hypothesis import strategies as st
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)
from zarr.codecs.numcodecs import Delta

from lepton_jlab.data import Dataset, open_dataset
from lepton_jlab.data.stream import memory as memory_module
from lepton_jlab.data.stream import stored as stored_module
from lepton_jlab.data.stream.batches import Batches
from lepton_jlab.data.stream.chunks import Chunks
from lepton_jlab.data.stream.memory import make_plan
from lepton_jlab.data.stream.reading import Reader
from lepton_jlab.data.stream.stored import Stored
from lepton_jlab.errors import DataError

TEXT = "str"
RECORD = np.dtype([("a", "<i4"), ("b", "<f2")])
NUMBERS = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
OTHERS = ("M8[s]", "m8[ms]", "S5", "U3", "V3", RECORD, TEXT)
BIG_ENDIAN = (">i4", ">f8", ">c8", ">M8[s]", ">U3")

# Codecs of Zarr v3, from the first to the last that encodes, and whether Lepton decodes them.
CODECS = [
    ([], True),
    ([GzipCodec(level=1)], True),
    ([ZstdCodec(level=0)], True),
    ([ZstdCodec(level=3, checksum=True)], True),
    ([Crc32cCodec()], True),
    ([GzipCodec(level=1), Crc32cCodec()], True),
    ([ZstdCodec(level=0), Crc32cCodec()], True),
    ([Crc32cCodec(), ZstdCodec(level=0)], False),
    *(
        ([BloscCodec(cname=name, clevel=1, shuffle=shuffle), *check], True)
        for name, shuffle, check in [
            ("lz4", "shuffle", []),
            ("lz4", "bitshuffle", [Crc32cCodec()]),
            ("lz4hc", "noshuffle", []),
            ("zstd", "shuffle", [Crc32cCodec()]),
            ("zstd", "bitshuffle", []),
            ("zlib", "noshuffle", []),
            ("blosclz", "shuffle", []),
        ]
    ),
]
COMPRESSORS_V2 = [
    None,
    numcodecs.Blosc("lz4", 1, numcodecs.Blosc.SHUFFLE),
    numcodecs.Blosc("zstd", 1, numcodecs.Blosc.BITSHUFFLE),
    numcodecs.Blosc("zlib", 1, numcodecs.Blosc.NOSHUFFLE),
    numcodecs.Zlib(1),
    numcodecs.LZ4(),
    numcodecs.BZ2(1),
    numcodecs.GZip(1),
    numcodecs.Zstd(1),
]


@dataclass(frozen=True)
class Way:
    """How an array is stored: what ``create_array`` takes, and whether Lepton decodes it."""

    zarr_format: int
    dtype: Any
    shape: tuple[int, ...]
    fast: bool
    options: dict[str, Any]
    absent: tuple[int, ...]  # chunks, counted along the samples, that are not there

    def write(self, group: zarr.Group, name: str, values: Any = None) -> Any:
        """Store `values`, random ones when None; return what zarr-python reads."""
        array = group.create_array(name, shape=self.shape, dtype=self.dtype, **self.options)
        written = random_values(self.dtype, self.shape) if values is None else values.copy()
        for number in self.absent:  # what equals the fill value is not written
            length = array.chunks[0]
            written[number * length : (number + 1) * length] = array.fill_value
        array[:] = written
        return np.asarray(array[:])


def random_values(dtype: Any, shape: tuple[int, ...], seed: int = 0) -> Any:
    """Return values of which any bit may be set, that of a NaN included."""
    rng = np.random.default_rng(seed)
    count = int(np.prod(shape))
    if dtype == TEXT:
        words = ["".join(rng.choice(list("aäβ𝄞"), rng.integers(9))) for _ in range(count)]
        return np.array(words, np.dtypes.StringDType()).reshape(shape)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "SU":
        return rng.integers(0, 10**6, shape).astype(dtype)
    return np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).reshape(shape).copy()


@st.composite
def ways(
    draw: Any,
    samples: st.SearchStrategy[int] = st.integers(1, 40),  # noqa: B008 - a description
    dtypes: tuple[Any, ...] = NUMBERS + OTHERS + BIG_ENDIAN,
    formats: tuple[int, ...] = (2, 3),
    whole: bool = False,
) -> Way:
    """Draw a way to store an array; `whole` ones have all of their chunks."""
    zarr_format = draw(st.sampled_from(formats))
    dtype = draw(st.sampled_from(dtypes))
    count = draw(samples)
    tail = tuple(draw(st.lists(st.integers(1, 5), max_size=2)))
    chunk = (
        draw(st.integers(-(-count // 8), count + 2)),
        *(draw(st.sampled_from([n, n, (n + 1) // 2, 1])) for n in tail),
    )
    options = draw(_options_v2(chunk, dtype) if zarr_format == 2 else _options_v3(chunk, dtype))
    fast = options.pop("fast") and dtype != TEXT
    number = dtype != TEXT and np.dtype(dtype).kind in "iufc"
    if number and draw(st.booleans()):
        options["fill_value"] = np.dtype(dtype).type(3)
    absent = [] if whole or dtype == TEXT else draw(st.lists(st.integers(0, 3), max_size=2))
    return Way(zarr_format, dtype, (count, *tail), fast, options, tuple(absent))


@st.composite
def _options_v3(draw: Any, chunk: tuple[int, ...], dtype: Any) -> dict[str, Any]:
    codecs, fast = draw(st.sampled_from(CODECS))
    kind = "T" if dtype == TEXT else np.dtype(dtype).kind
    options: dict[str, Any] = {"chunks": chunk, "compressors": codecs or None, "fast": fast}
    options["chunk_key_encoding"] = draw(
        st.sampled_from(
            [{"name": n, "separator": s} for n, s in itertools.product(["default", "v2"], "/.")]
        )
    )
    if kind == "T":
        return options
    first = BytesCodec(endian=draw(st.sampled_from(["little", "little", "big"])))
    if kind in "SUV" or str(dtype).startswith(">"):
        first = None  # as zarr-python chooses it
    else:
        options["serializer"] = first
    special = draw(st.sampled_from(["", "", "", "shards", "shards", "transposed", "delta"]))
    if special == "shards" and first is not None:
        check = [Crc32cCodec()] if draw(st.booleans()) else []
        inner = ShardingCodec(
            chunk_shape=chunk,
            codecs=[first, *codecs],
            index_codecs=[BytesCodec(), *check],
            index_location=draw(st.sampled_from(["start", "end"])),
        )
        shard = tuple(n * draw(st.integers(1, 3)) for n in chunk)
        options |= {"chunks": shard, "serializer": inner, "compressors": None}
    elif special == "transposed" and len(chunk) > 1:
        order = tuple(range(len(chunk)))[::-1]
        options |= {"filters": [TransposeCodec(order=order)], "fast": False}
    elif special == "delta" and kind in "iu" and first is not None:
        options |= {"filters": [Delta(dtype=np.dtype(dtype).str)], "fast": False}
    return options


@st.composite
def _options_v2(draw: Any, chunk: tuple[int, ...], dtype: Any) -> dict[str, Any]:
    compressor = draw(st.sampled_from(COMPRESSORS_V2))
    options = {
        "chunks": chunk,
        "compressors": compressor,
        "chunk_key_encoding": {"name": "v2", "separator": draw(st.sampled_from("/."))},
        "fast": dtype != ">U3",
    }
    if dtype == TEXT:
        return options
    special = draw(st.sampled_from(["", "", "", "columns first", "delta"]))
    if special == "columns first" and len(chunk) > 1:
        options |= {"order": "F", "fast": False}
    elif special == "delta" and np.dtype(dtype).kind in "iu":
        options |= {"filters": [numcodecs.Delta(np.dtype(dtype).str)], "fast": False}
    return options


def as_bytes(values: Any) -> Any:
    """Return what two arrays of equal values have in common, in whatever byte order they are."""
    if values.dtype.kind in "TO":
        return values.shape, values.tolist()
    return values.shape, np.ascontiguousarray(
        values.astype(values.dtype.newbyteorder("="))
    ).tobytes()


# ---- streams


def make_batches(
    ds: Dataset, batch_size: int = 32, shuffle: bool = True, window: int | None = None, **more: Any
) -> Batches:
    """Return batches of NumPy arrays, drawn from windows of about `window` samples."""
    recipe = {"seed": 0, "rank": 0, "world": 1, "drop_remainder": False, **more}
    recipe.setdefault("memory", memory_for(ds, batch_size, window) if window else 1 << 28)
    return Batches(Stored(ds, batch_size, shuffle, **recipe))


def read_by_chunks(patch: pytest.MonkeyPatch) -> None:
    """Have each array read by chunks, the smallest too."""
    for module in (memory_module, stored_module):
        patch.setattr(module, "SMALL", 0)


def threads_of_streams() -> list[str]:
    """Return the threads that read or work ahead."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("lepton-read", "lepton-ahead"))]


def wait_for_no_threads() -> None:
    """Return when no stream has threads any more."""
    wait_until(lambda: not threads_of_streams(), about="the end of the threads of streams")


def memory_for(ds: Dataset, batch_size: int, samples: int) -> int:
    """Return the least memory with which a window has `samples`, or one chunk if that is more."""
    stored = Stored(ds, batch_size, True, 0, 0, 1, False, 1 << 40)

    def window(memory: int) -> int:
        try:
            return make_plan(stored.columns, stored.chunks, memory, batch_size, True).window
        except DataError:
            return 0

    return bisect_left(range(1 << 34), min(samples, len(ds)), key=window)


@contextmanager
def recorded_reads() -> Iterator[list[tuple[str, tuple[int, ...]]]]:
    """Note the array and the place of each chunk that is decoded, by whichever way."""
    reads: list[tuple[str, tuple[int, ...]]] = []
    load_piece, read = Chunks._load_piece, Chunks.read

    def noted_load(self: Chunks, coords: tuple[int, ...], *rest: Any) -> None:
        reads.append((self.name, coords))
        load_piece(self, coords, *rest)

    def noted_read(self: Chunks, number: int, *rest: Any) -> Any:
        reads.append((self.name, (number,)))
        return read(self, number, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Chunks, "_load_piece", noted_load)
        patch.setattr(Chunks, "read", noted_read)
        # The beginning of the next epoch would be noted with this one.
        patch.setattr(Reader, "_goes_on", lambda *_: False)
        yield reads


@st.composite
def stored_datasets(draw: Any, text: bool = True) -> tuple[Way, Way, Way | None]:
    """Draw how x, y (the number of the sample) and perhaps weights are stored."""
    count = st.just(draw(st.integers(1, 50)))
    formats = (draw(st.sampled_from([2, 3])),)
    dtypes = NUMBERS + OTHERS if text else NUMBERS
    x = draw(ways(count, dtypes, formats))
    y = draw(ways(count, ("i4", "u2", "f8"), formats, whole=True))
    weight = draw(st.none() | ways(count, ("f4",), formats, whole=True))
    return x, y, weight


def write_dataset(folder: Any, stored: tuple[Way, Way, Way | None]) -> tuple[Dataset, Any]:
    """Store a dataset; return it, and its x as zarr-python reads it."""
    x, y, weight = stored
    group = zarr.create_group(str(folder), zarr_format=x.zarr_format)
    expected = x.write(group, "x")
    for name, way in (("y", y), ("sample_weight", weight)):
        if way is not None:
            numbers = np.arange(way.shape[0]).reshape(-1, *(1 for _ in way.shape[1:]))
            way.write(group, name, np.broadcast_to(numbers, way.shape).astype(way.dtype))
    return open_dataset(folder), expected


def numbers_in(y: Any) -> Any:
    """Return which samples a batch has, by its y."""
    return y.reshape(len(y), -1)[:, 0].astype(int)
