"""The floor of streaming: what reading, decoding and one copy cost, and nothing else."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.rounds import seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    start: int
    length: int
    rows: int


def floor(path: Path, labels: NDArray[np.uint8], batch: int) -> Callable[[], float]:
    """Return what times an epoch of the least that any loader of these chunks has to do.

    For every chunk, on all cores: read its bytes from the file (where they lie in a shard is known
    beforehand), compare its CRC-32C, decode it with numcodecs into memory of the thread that stays
    in its cache, then draw its samples and labels in random order into batches, by one `take` each.
    So each sample is decoded once and copied once. There is no window over several chunks, no
    order of batches, nobody who takes them, and no TensorFlow.

    Parameters
    ----------
    path
        A Zarr v3 group with an array ``x`` whose chunks are whole samples.
    labels
        All labels, in memory.
    batch
        Samples in a batch.
    """
    document = json.loads((path / "x" / "zarr.json").read_text())
    shape, dtype = document["shape"], np.dtype(document["data_type"])
    places, codecs, rows = _find(path / "x", document)
    decode = _decoder([codec["name"] for codec in codecs])
    size = rows * math.prod(shape[1:]) * dtype.itemsize
    row = np.dtype((np.void, size // rows))
    local = threading.local()
    random = np.random.default_rng(0)
    orders = [random.permutation(place.rows) for place in places[:64]]

    def one(number: int) -> None:
        place = places[number]
        if not hasattr(local, "room"):
            local.room = np.empty(size, np.uint8)
        decode(_read(place), local.room)
        items = local.room.view(row)
        order = orders[number % len(orders)]
        if len(order) != place.rows:
            order = np.random.default_rng(number).permutation(place.rows)
        names = labels[number * rows : (number + 1) * rows]
        for start in range(0, place.rows, batch):
            chosen = order[start : start + batch]
            items.take(chosen)
            names.take(chosen)

    threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    return lambda: seconds(lambda: [None for _ in threads.map(one, range(len(places)))])


def _read(place: _Place) -> bytes:
    file = os.open(place.path, os.O_RDONLY)
    try:
        return os.pread(file, place.length, place.start)
    finally:
        os.close(file)


def _decoder(names: list[str]) -> Callable[[bytes, NDArray[np.uint8]], object]:
    """Return what decodes a chunk into memory; all have a checksum behind one codec."""
    from google_crc32c import value
    from numcodecs import blosc, zstd

    _, family, check = names
    if family not in ("blosc", "zstd") or check != "crc32c":
        raise ValueError(f"No floor for the codecs {names}")
    decompress = blosc.decompress if family == "blosc" else zstd.decompress

    def decode(stored: bytes, out: NDArray[np.uint8]) -> object:
        content = memoryview(stored)[:-4]
        if value(np.frombuffer(content, np.uint8)).to_bytes(4, "little") != stored[-4:]:
            raise ValueError("damaged")
        return decompress(content, out)

    return decode


def _find(array: Path, document: dict[str, Any]) -> tuple[list[_Place], list[Any], int]:
    """Return where the chunks are, their codecs, and the samples of one."""
    count = document["shape"][0]
    outer = document["chunk_grid"]["configuration"]["chunk_shape"][0]
    codecs = document["codecs"]
    tail = "/0" * (len(document["shape"]) - 1)
    files = [array / f"c/{number}{tail}" for number in range(-(-count // outer))]
    if codecs[0]["name"] != "sharding_indexed":
        places = [
            _Place(str(file), 0, file.stat().st_size, min(outer, count - number * outer))
            for number, file in enumerate(files)
        ]
        return places, codecs, outer
    inner = codecs[0]["configuration"]["chunk_shape"][0]
    numbers = iter(range(-(-count // inner)))
    places = [
        _Place(str(file), start, length, min(inner, count - next(numbers) * inner))
        for file in files
        for start, length in _index(file, outer // inner)
    ]
    return places, codecs[0]["configuration"]["codecs"], inner


def _index(file: Path, chunks: int) -> Iterator[tuple[int, int]]:
    """Yield where in a shard its chunks are, from the index at its end."""
    with file.open("rb") as shard:
        shard.seek(-16 * chunks - 4, os.SEEK_END)
        index = np.frombuffer(shard.read(16 * chunks), "<u8").reshape(-1, 2)
    for start, length in index.tolist():
        if start != 2**64 - 1:
            yield start, length
