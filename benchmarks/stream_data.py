"""Real images in three shapes, stored in every way that is compared: Zarr and TFRecord."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.report import TIMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = tuple[NDArray[Any], NDArray[np.uint8]]  # samples and labels

CODECS = {"blosc-lz4": "Blosc-lz4", "blosc-zstd": "Blosc-zstd", "zstd": "zstd"}
SHARDS = {"none": "", "64MiB": ", shards"}  # sizes as imports take them, and how they are called
RECORD_FILES = 16
GZIP_FILES = 4  # of these; as many samples are read and the time is scaled

_BLOCK = 4096  # tiles that are made at a time


@dataclass(frozen=True, slots=True)
class Kind:
    """Samples of one shape.

    Attributes
    ----------
    sample_bytes
        Size of one.
    samples
        How many of them make an epoch.
    make
        Makes as many, with their labels.
    """

    title: str
    sample_bytes: int
    samples: int
    make: Callable[[int], Arrays]

    def count(self, quick: bool) -> int:
        """Return how many samples to make."""
        return self.samples // 20 if quick else self.samples


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to store them as Zarr."""

    title: str
    codec: str
    path: Path

    @property
    def sharded(self) -> bool:
        """Whether a file holds many chunks."""
        return self.title.endswith(SHARDS["64MiB"])


# ---- the samples


def pictures(count: int) -> Arrays:
    """Return grey pictures of clothes, shape ``(count, 28, 28, 1)``, each version once."""
    images, labels = _fashion()
    x = np.empty((count, 28, 28, 1), np.uint8)
    y = np.empty(count, np.uint8)
    for number, start in enumerate(range(0, count, len(images))):
        stop = min(start + len(images), count)
        x[start:stop, ..., 0] = _varied(images, number)[: stop - start]
        y[start:stop] = labels[: stop - start]
    return x, y


def tiles(count: int) -> Arrays:
    """Return colour pictures of four pieces of clothing, shape ``(count, 64, 64, 3)``.

    Each piece has a colour of its own and so has what is behind it. The label is that of the first.
    """
    images, labels = _fashion()
    random = np.random.default_rng(0)
    x = np.empty((count, 64, 64, 3), np.uint8)
    chosen = random.integers(0, len(images), (count, 4))
    for start in range(0, count, _BLOCK):
        block = x[start : start + _BLOCK]
        colours = random.integers(0, 256, (2, 4, len(block), 1, 1, 3), dtype=np.uint16)
        for place in range(4):
            cell = np.zeros((len(block), 32, 32, 1), np.uint16)
            cell[:, 2:30, 2:30, 0] = images[chosen[start : start + _BLOCK, place]]
            front, back = colours[:, place]
            mixed = (cell * front + (255 - cell) * back) // 255
            top, left = 32 * (place // 2), 32 * (place % 2)
            block[:, top : top + 32, left : left + 32] = mixed
    return x, labels[chosen[:, 0]]


def features(count: int) -> Arrays:
    """Return the pictures on their 128 principal components, shape ``(count, 128)``, float32."""
    images, labels = _fashion()
    first = images.reshape(-1, 784).astype(np.float32) / 255
    mean = first.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(first[::7], rowvar=False))
    axes = np.ascontiguousarray(axes[:, :-129:-1], dtype=np.float32)
    x = np.empty((count, 128), np.float32)
    y = np.empty(count, np.uint8)
    for number, start in enumerate(range(0, count, len(images))):
        stop = min(start + len(images), count)
        varied = _varied(images, number)[: stop - start].reshape(-1, 784)
        x[start:stop] = (varied.astype(np.float32) / 255 - mean) @ axes
        y[start:stop] = labels[: stop - start]
    return x, y


KINDS = {
    "pictures": Kind(f"28{TIMES}28{TIMES}1 uint8", 784, 700_000, pictures),
    "tiles": Kind(f"64{TIMES}64{TIMES}3 uint8", 12_288, 98_304, tiles),
    "features": Kind("128 float32", 512, 980_000, features),
}


def _fashion() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return all 70,000 pictures of Fashion-MNIST, shape ``(70000, 28, 28)``, and their labels."""
    from lepton_jlab.data.sources import fashion_mnist

    parts = fashion_mnist.load("fashion-mnist", None).parts.values()
    x = np.concatenate([np.asarray(part["x"]).reshape(-1, 28, 28) for part in parts])
    return x, np.concatenate([np.asarray(part["y"]) for part in parts]).astype(np.uint8)


def _varied(images: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Return the pictures shifted by up to two pixels, and mirrored, as this number says."""
    shifts = [(0, 0), (0, 2), (2, 0), (0, -2), (-2, 0), (1, 1), (-1, -1), (1, -1)]
    moved = np.roll(images, shifts[number // 2 % len(shifts)], axis=(1, 2))
    return moved[:, :, ::-1] if number % 2 else moved


# ---- as Zarr


def store(kind: str, arrays: Arrays, folder: Path) -> list[Layout]:
    """Write samples with each codec, sharded and not, as an import would; return the layouts."""
    made = []
    for codec, name in CODECS.items():
        for shard, suffix in SHARDS.items():
            path = folder / f"{kind}-{codec}-{shard}.zarr"
            _write(path, arrays, codec, shard)
            made.append(Layout(name + suffix, codec, path))
    return made


def _write(path: Path, arrays: Arrays, codec: str, shard: str) -> None:
    import zarr

    from lepton_jlab.data.codecs import CODECS as KNOWN
    from lepton_jlab.data.layout import plan_layouts

    named = dict(zip("xy", arrays, strict=True))
    group = zarr.create_group(str(path))
    for name, cut in plan_layouts(named, shard=shard).items():
        values = named[name]
        tail = values.shape[1:]
        array = group.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=(cut.chunk, *tail),
            shards=(cut.shard, *tail) if cut.shard else None,
            config={"write_empty_chunks": True},
            **KNOWN[codec].create_options(values.dtype),
        )
        step = cut.together * max(1, (64 << 20) // (cut.together * values[0].nbytes))

        def put(start: int, array: Any = array, values: Any = values, step: int = step) -> None:
            array[start : start + step] = values[start : start + step]

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(put, range(0, len(values), step)))


# ---- as TFRecord


def store_records(arrays: Arrays, folder: Path) -> dict[str, list[str]]:
    """Write samples as ``tf.train.Example``, by compression: ``""`` in full, a part as GZIP."""
    import tensorflow as tf

    x, y = arrays
    frames = _frames(x[0].tobytes())
    cuts = np.linspace(0, len(x), RECORD_FILES + 1).astype(int)
    files: dict[str, list[str]] = {"": [], "GZIP": []}

    def write(compression: str, number: int) -> str:
        path = str(folder / f"{number:02}{compression}.tfrecord")
        with tf.io.TFRecordWriter(path, compression) as writer:
            for row in range(cuts[number], cuts[number + 1]):
                before, after = frames[y[row]]
                writer.write(before + x[row].tobytes() + after)
        return path

    with ThreadPoolExecutor(2) as threads:
        for compression, count in (("", RECORD_FILES), ("GZIP", GZIP_FILES)):
            numbers = range(count)
            files[compression] = list(threads.map(write, [compression] * count, numbers))
    return files


def _frames(sample: bytes) -> Mapping[int, tuple[bytes, bytes]]:
    """Return what stands before and behind the bytes of a sample in its Example, by label."""

    def parts() -> Iterator[tuple[int, tuple[bytes, bytes]]]:
        import tensorflow as tf

        mark = b"\xa5" * len(sample)
        for label in range(10):
            feature = {
                "x": tf.train.Feature(bytes_list=tf.train.BytesList(value=[mark])),
                "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            before, after = example.SerializeToString(deterministic=True).split(mark)
            yield label, (before, after)

    return dict(parts())
