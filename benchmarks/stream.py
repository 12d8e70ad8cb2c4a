"""Shuffled batches of real images, and of features of them, from compressed Zarr to TensorFlow."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import page, stream_page
from benchmarks import stream_ways as ways_of
from benchmarks.fresh import in_new_process
from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import Samples, interleave, ratio, say
from benchmarks.stream_data import (
    CODECS,
    GZIP_FILES,
    KINDS,
    RECORD_FILES,
    SHARDS,
    store,
    store_records,
)
from benchmarks.stream_floor import floor
from benchmarks.stream_names import (
    FLOOR,
    GATHERED,
    GZIP,
    LEPTON,
    LEPTON_FIRST,
    MEMORY,
    MEMORY_FIRST,
    NAIVE,
    RECORDS,
    TENSORSTORE,
    ZARR,
    named,
)

if TYPE_CHECKING:
    from benchmarks.stream_data import Arrays, Layout

_SMALL = 1024  # bytes; below this a sample is small
_LARGE = 4096
_PAUSE = 0.1  # seconds before each
_LAYOUTS = [name + suffix for name in CODECS.values() for suffix in SHARDS.values()]


def measure(rounds: int, quick: bool) -> Result:
    """Time an epoch in every way and of every layout in turn, one kind of samples after another."""
    samples = Samples()
    for kind in KINDS:
        say(f"  {kind}")
        samples |= in_new_process(_samples, kind, rounds, quick)
    figures = [figure for kind in KINDS for figure in _figures(kind, samples)]
    if rounds >= page.ENOUGH and not quick:
        stream_page.write(samples)
    return Result(figures, samples, _notes(quick))


def _samples(kind: str, rounds: int, quick: bool) -> Samples:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryDirectory() as folder:
        arrays = KINDS[kind].make(KINDS[kind].count(quick))
        layouts = store(kind, arrays, Path(folder))
        records = store_records(arrays, Path(folder))
        os.sync()  # or what was just made would be written while it is read
        return interleave(_ways(kind, arrays, layouts, records), rounds, _PAUSE)


def _ways(
    kind: str, arrays: Arrays, layouts: list[Layout], records: dict[str, list[str]]
) -> dict[str, ways_of.Way]:
    name, (x, y) = partial(named, kind), arrays
    ways: dict[str, ways_of.Way] = {}
    for layout in layouts:
        title, path = layout.title, layout.path
        ways[name(FLOOR, title)] = floor(path, y, ways_of.BATCH)
        ways[name(LEPTON, title)] = ways_of.lepton(path, len(x))
        ways[name(LEPTON_FIRST, title)] = ways_of.lepton_first(path, len(x))
        ways[name(TENSORSTORE, title)] = ways_of.tensorstore(path, y)
        ways[name(ZARR, title)] = ways_of.zarr_python(path, y)
    part = int(np.linspace(0, len(x), RECORD_FILES + 1).astype(int)[GZIP_FILES])
    ways[name(RECORDS)] = ways_of.records(records[""], "", arrays, len(x))
    ways[name(GZIP)] = ways_of.records(records["GZIP"], "GZIP", arrays, part)
    ways[name(MEMORY)] = ways_of.memory(arrays)
    ways[name(MEMORY_FIRST)] = ways_of.memory_first(arrays)
    ways[name(GATHERED)] = ways_of.gathered(arrays)
    ways[name(NAIVE)] = ways_of.naive(layouts[0].path, arrays)
    return ways


def _figures(kind: str, samples: Samples) -> list[Figure]:
    """Return the share of the floor for each layout, and against each peer for the slowest."""
    title, size = KINDS[kind].title, KINDS[kind].sample_bytes
    name = partial(named, kind)
    share = 0.7 if size < _SMALL else 0.9
    figures = []
    for layout in _LAYOUTS:
        wanted = share if "zstd" in layout and not _SMALL <= size < _LARGE else None
        got = ratio(samples, name(FLOOR, layout), name(LEPTON, layout))
        figures.append(Figure(f"{title}, {layout}: share of the floor", got, TIMES, None, wanted))
    records, memory = (6.0, 2.8) if size < _SMALL else (2.5, 2.3)
    for peer, own, wanted in (
        (RECORDS, LEPTON, records),
        (GZIP, LEPTON, None),
        (MEMORY_FIRST, LEPTON_FIRST, memory),
        (MEMORY, LEPTON, memory),
        (GATHERED, LEPTON, None),
        (NAIVE, LEPTON, None),
    ):
        least = min(ratio(samples, name(peer), name(own, layout)) for layout in _LAYOUTS)
        what = f"{title}, slowest layout: {own} against {peer}"
        figures.append(Figure(what, least, TIMES, at_least=wanted))
    for peer in (TENSORSTORE, ZARR):
        least = min(ratio(samples, name(peer, one), name(LEPTON, one)) for one in _LAYOUTS)
        what = f"{title}, closest layout: {LEPTON} against {peer}"
        figures.append(Figure(what, least, TIMES))
    return figures


def _notes(quick: bool) -> list[str]:
    sizes = "; ".join(f"{kind.title}: {kind.count(quick):,}" for kind in KINDS.values())
    return [
        f"Seconds are those of an epoch of all samples ({sizes}), in batches of {ways_of.BATCH} "
        "with labels, all read from the page cache. Each kind of samples has a process of its own, "
        "with all cores, and in it all ways take turns. Chunks are as imports cut them, about "
        "1 MiB, with a CRC-32C; shards have 64 MiB.",
        "The floor reads each chunk, compares its checksum, decodes it with numcodecs on all cores "
        "and copies each sample once, in random order, a batch at a time: no window over several "
        "chunks, no TensorFlow.",
        f"Scaled: GZIP reads {GZIP_FILES} of {RECORD_FILES} files, zarr-python one chunk in "
        f"{ways_of.ZARR_SHARE}, and the naive generator {ways_of.NAIVE_SAMPLES} samples.",
        "A first epoch includes opening the data and its new memory; TensorFlow copies the arrays "
        "in it. All other epochs are later ones.",
    ]
