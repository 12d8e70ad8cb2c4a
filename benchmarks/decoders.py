"""Which decoder reads stored chunks fastest: every chunk once, on all cores, into memory."""

from __future__ import annotations

import importlib.util
import os
import statistics
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import page
from benchmarks.fresh import in_new_process
from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import Samples, interleave, ratio, seconds
from benchmarks.stream_data import KINDS, Layout, store
from benchmarks.stream_names import named
from benchmarks.stream_ways import open_tensorstore

_NUMCODECS = "numcodecs into a buffer (Lepton)"
_TENSORSTORE = "tensorstore, a read per chunk"
_ZARRS = "zarrs, 8 chunks or a shard a call"
_ZARR = "zarr-python, 8 chunks or a shard a call"
_WAYS = (_NUMCODECS, _TENSORSTORE, _ZARRS, _ZARR)

_TOGETHER = 8  # chunks that are read at a time
_SHARE = 4  # one in so many samples of the benchmark `stream`
_USED = ("tiles", "features")


def measure(rounds: int, quick: bool) -> Result:
    """Time the reading of all chunks by each decoder and of each layout in turn."""
    samples = Samples()
    for kind in _USED:
        samples |= in_new_process(_samples, kind, rounds, quick)
    layouts = list(dict.fromkeys(name.partition("; ")[2] for name in samples))
    ways = [way for way in _WAYS if named(_USED[0], way, layouts[0]) in samples]
    figures = [
        Figure(
            f"{KINDS[kind].title}, closest layout: {_NUMCODECS} against {way}",
            min(
                ratio(samples, named(kind, way, one), named(kind, _NUMCODECS, one))
                for one in layouts
            ),
            TIMES,
        )
        for kind in _USED
        for way in ways[1:]
    ]
    if rounds >= page.ENOUGH and not quick:
        page.put("decoders", _lines(samples, layouts, ways))
    missing = [f"Left out: {way}, not installed" for way in _WAYS if way not in ways]
    return Result(figures, samples, missing)


def _lines(samples: Samples, layouts: list[str], ways: list[str]) -> Iterator[str]:
    for kind in _USED:
        size = KINDS[kind].samples // _SHARE * KINDS[kind].sample_bytes
        rates = {
            way: [size / statistics.median(samples[named(kind, way, one)]) / 1e6 for one in layouts]
            for way in ways
        }
        rows = [[way, *(f"{rate:,.0f}" for rate in rates[way])] for way in ways]
        yield ""
        yield from page.table([f"{KINDS[kind].title}, MB/s", *layouts], rows)
    yield ""


def _samples(kind: str, rounds: int, quick: bool) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        arrays = KINDS[kind].make(KINDS[kind].count(quick) // _SHARE)
        layouts = store(kind, arrays, Path(folder))
        del arrays
        os.sync()
        ways: dict[str, Callable[[], float]] = {}
        for layout in layouts:
            opened = {
                _NUMCODECS: _numcodecs,
                _ZARR: partial(_zarr, "zarr.core.codec_pipeline.BatchedCodecPipeline"),
            }
            if importlib.util.find_spec("tensorstore"):
                opened[_TENSORSTORE] = _tensorstore
            if importlib.util.find_spec("zarrs"):
                opened[_ZARRS] = partial(_zarr, "zarrs.ZarrsCodecPipeline")
            for way, make in opened.items():
                ways[named(kind, way, layout.title)] = make(layout)
        return interleave(ways, rounds)


def _numcodecs(layout: Layout) -> Callable[[], float]:
    """Read as the stream does: each thread into memory of its own, the same again and again."""
    import zarr

    from lepton_jlab.data.stream.chunks import Chunks
    from lepton_jlab.data.stream.report import Meter

    chunks = Chunks("x", zarr.open_array(str(layout.path / "x"), mode="r"))
    if not chunks.fast:
        raise AssertionError("read by zarr-python")
    cores = len(os.sched_getaffinity(0))
    threads, meter = ThreadPoolExecutor(cores), Meter()
    rooms = deque(np.empty((chunks.length, *chunks.shape[1:]), chunks.dtype) for _ in range(cores))

    def one(number: int) -> None:
        room = rooms.pop()
        chunks.load(number, room, meter)
        rooms.append(room)

    numbers = range(-(-chunks.shape[0] // chunks.length))
    return lambda: seconds(lambda: deque(threads.map(one, numbers), 0))


def _tensorstore(layout: Layout) -> Callable[[], float]:
    x = open_tensorstore(layout.path)
    rows = x.chunk_layout.read_chunk.shape[0]

    def read() -> None:
        reading: deque[Any] = deque()
        for start in range(0, x.shape[0], rows):
            if len(reading) == _TOGETHER:
                reading.popleft().result()
            reading.append(x[start : min(start + rows, x.shape[0])].read())
        while reading:
            reading.popleft().result()

    return lambda: seconds(read)


def _zarr(pipeline: str, layout: Layout) -> Callable[[], float]:
    """Let zarr-python read, by its own pipeline or that of zarrs, as much at a time as is best."""
    import zarr

    with zarr.config.set({"codec_pipeline.path": pipeline}):
        x: Any = zarr.open_array(str(layout.path / "x"), mode="r")
    step = x.shards[0] if x.shards else _TOGETHER * x.chunks[0]

    def read() -> None:
        for start in range(0, x.shape[0], step):
            x[start : start + step]

    return lambda: seconds(read)
