"""The ways to get shuffled batches of samples and labels into TensorFlow: Lepton and its peers."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.rounds import seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.stream_data import Arrays

Way = Callable[[], float]  # returns the seconds of an epoch

BATCH = 256
SHUFFLE = 4096  # samples among which tf.data draws
ZARR_SHARE = 4  # zarr-python reads one in so many chunks, and the time is scaled
NAIVE_SAMPLES = 256  # that the naive generator reads; the time is scaled

_IN_FLIGHT = 8  # chunks that tensorstore and zarr-python read at a time
_WINDOW = 16  # chunks that their loader shuffles together


def lepton(path: Path, count: int) -> Way:
    """Time ``for x, y in ds.batches(256, shuffle=True)``, an epoch that is not the first.

    The memory of its windows is there from the epoch before. It is numbered 0, so that nothing has
    been read of it ahead of time.
    """
    from lepton_jlab.data import open_dataset

    batches = open_dataset(path).batches(BATCH, shuffle=True)

    def epoch() -> float:
        batches.epoch = 0
        return _drained(batches, count)

    epoch()
    return epoch


def lepton_first(path: Path, count: int) -> Way:
    """Time the first epoch, from ``open_dataset`` on: the memory of its windows is new."""
    from lepton_jlab.data import open_dataset

    return lambda: _drained(lambda: open_dataset(path).batches(BATCH, shuffle=True), count)


def memory(arrays: Arrays) -> Way:
    """Time what users of tf.data write when all is in memory, an epoch that is not the first."""
    data = _sliced(arrays)
    _drained(data, len(arrays[0]))
    return lambda: _drained(data, len(arrays[0]))


def memory_first(arrays: Arrays) -> Way:
    """Time the first epoch, from ``from_tensor_slices`` on, which copies the arrays."""
    return lambda: _drained(lambda: _sliced(arrays), len(arrays[0]))


def _sliced(arrays: Arrays) -> Any:
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(arrays)
    return data.shuffle(SHUFFLE).batch(BATCH).prefetch(4)


def gathered(arrays: Arrays) -> Way:
    """Time tf.data that permutes numbers only, and gathers each batch at once from memory.

    It is how Keras reads arrays in ``fit(x, y)``: a permutation of all, no copies of single
    samples.
    """
    import tensorflow as tf

    x, y = map(tf.constant, arrays)
    count = len(arrays[0])
    starts = tf.data.Dataset.range(0, count, BATCH)
    orders = tf.data.Dataset.from_tensors(tf.range(count)).map(tf.random.shuffle)
    data = (
        orders.flat_map(lambda order: starts.map(lambda start: order[start : start + BATCH]))
        .map(lambda rows: (tf.gather(x, rows), tf.gather(y, rows)), tf.data.AUTOTUNE)
        .prefetch(4)
    )
    return lambda: _drained(data, count)


def records(files: list[str], compression: str, arrays: Arrays, count: int) -> Way:
    """Time TFRecord files: shuffled, batched and parsed a batch at once.

    Tried on two cores: uncompressed, one file after the other is fastest, for handing single
    records from thread to thread costs more than reading them; GZIP gains from several at a time.

    Parameters
    ----------
    count
        How many samples the files hold; the time is scaled to all.
    """
    import tensorflow as tf

    x, _ = arrays
    wanted = {"x": tf.io.FixedLenFeature([], tf.string), "y": tf.io.FixedLenFeature([], tf.int64)}

    def parse(examples: Any) -> Any:
        parsed = tf.io.parse_example(examples, wanted)
        values = tf.io.decode_raw(parsed["x"], tf.as_dtype(x.dtype), fixed_length=x[0].nbytes)
        return tf.reshape(values, (-1, *x.shape[1:])), tf.cast(parsed["y"], tf.uint8)

    names = tf.data.Dataset.from_tensor_slices(files).shuffle(len(files))
    several = {"cycle_length": 4, "block_length": 256, "num_parallel_calls": tf.data.AUTOTUNE}
    read = (
        names.interleave(lambda name: tf.data.TFRecordDataset(name, compression), **several)
        if compression
        else tf.data.TFRecordDataset(names)
    )
    data = (
        read.shuffle(SHUFFLE)
        .batch(BATCH, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False)
        .map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False)
        .prefetch(tf.data.AUTOTUNE)
    )
    return lambda: _drained(data, count) * len(x) / count


def tensorstore(path: Path, labels: NDArray[np.uint8]) -> Way:
    """Time a simple loader on tensorstore: a read per (inner) chunk, 8 at a time."""
    x = open_tensorstore(path)
    rows = x.chunk_layout.read_chunk.shape[0]
    read = lambda start: x[start : min(start + rows, len(labels))].read()  # noqa: E731
    return lambda: _drained(_shuffled(read, labels, rows), len(labels))


def zarr_python(path: Path, labels: NDArray[np.uint8]) -> Way:
    """Time the same loader on zarr-python, one in a few chunks."""
    import zarr

    x: Any = zarr.open_array(str(path / "x"), mode="r")
    rows = x.chunks[0]
    part = labels[: max(rows, len(labels) // ZARR_SHARE // rows * rows)]
    threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    read = lambda start: threads.submit(x.__getitem__, slice(start, start + rows))  # noqa: E731
    scale = len(labels) / len(part)
    return lambda: _drained(_shuffled(read, part, rows), len(part)) * scale


def open_tensorstore(path: Path) -> Any:
    """Open the array ``x`` with as many decoding threads as there are cores."""
    import tensorstore

    cores = len(os.sched_getaffinity(0))
    context = tensorstore.Context({"data_copy_concurrency": {"limit": cores}})
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/x/"}}
    return tensorstore.open(spec, read=True, context=context).result()


def _shuffled(
    read: Callable[[int], Any], labels: NDArray[np.uint8], rows: int
) -> Iterator[tuple[Any, Any]]:
    """Yield shuffled batches of chunks that are read in random order, several at a time."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    starts = deque((random.permutation(-(-len(labels) // rows)) * rows).tolist())
    reading: deque[tuple[int, Any]] = deque()
    while starts or reading:
        taken, values = [], []
        while (starts or reading) and len(taken) < _WINDOW:
            while starts and len(reading) < _IN_FLIGHT:
                start = starts.popleft()
                reading.append((start, read(start)))
            start, future = reading.popleft()
            taken.append(labels[start : start + rows])
            values.append(future.result())
        x, y = np.concatenate(values), np.concatenate(taken)
        order = random.permutation(len(y))
        for first in range(0, len(y), BATCH):
            chosen = order[first : first + BATCH]
            yield tf.convert_to_tensor(x[chosen]), tf.convert_to_tensor(y[chosen])


def naive(path: Path, arrays: Arrays) -> Way:
    """Time `from_generator` over single samples in random order, a few of them."""
    import tensorflow as tf
    import zarr

    values, labels = arrays
    x: Any = zarr.open_array(str(path / "x"), mode="r")
    y: Any = zarr.open_array(str(path / "y"), mode="r")[:]
    random = np.random.default_rng(0)

    def samples() -> Iterator[tuple[Any, Any]]:
        for row in random.permutation(len(y))[:NAIVE_SAMPLES].tolist():
            yield x[row], y[row]

    data = (
        tf.data.Dataset.from_generator(
            samples,
            output_signature=(
                tf.TensorSpec(values.shape[1:], tf.as_dtype(values.dtype)),
                tf.TensorSpec((), tf.uint8),
            ),
        )
        .batch(BATCH)
        .prefetch(4)
    )
    scale = len(labels) / NAIVE_SAMPLES
    return lambda: _drained(data, NAIVE_SAMPLES) * scale


def _drained(batches: Iterable[Any] | Callable[[], Iterable[Any]], count: int) -> float:
    """Return the seconds until all batches have come, and see that all samples have.

    Parameters
    ----------
    batches
        Pairs of samples and labels, or what makes them if that is to be timed, too.
    """

    def drain() -> None:
        come = 0
        for x, y in batches() if callable(batches) else batches:
            come += y.shape[0]
            if x.shape[0] != y.shape[0]:
                raise AssertionError("a batch with too few labels")
        if come != count:
            raise AssertionError(f"{come} samples came, not {count}")

    return seconds(drain)
