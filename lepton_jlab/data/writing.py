"""Writes arrays as a Zarr v3 dataset under a hidden name, and gives it its own when complete."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.store import is_url, is_zarr
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

    from lepton_jlab.data.sources import Samples

Progress = Callable[[int, int, str], None]

CHUNK_BYTES = 1 << 20  # decoded
CHUNK_SAMPLES = 64  # at least, unless they would be more than
LARGEST_CHUNK = 32 << 20
BLOCK_BYTES = 32 << 20  # written at a time


@contextlib.contextmanager
def new_folder(destination: Path, force: bool) -> Iterator[Path]:
    """Give a folder to write into; it becomes `destination` at the end, or goes away on an error.

    Raises
    ------
    DataError
        If `destination` is there and `force` is not given, or it is no Zarr dataset.
    """
    check_destination(destination, force)
    clear_leftovers(destination)
    mark = f"{socket.gethostname()}-{os.getpid()}"
    partial = destination.with_name(f".{destination.name}.{mark}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        check_destination(destination, force)  # it may have come into being meanwhile
        _rename(partial, destination, destination.with_name(f".{destination.name}.{mark}.replaced"))
    except BaseException:  # Ctrl-C too
        shutil.rmtree(partial, ignore_errors=True)
        raise


def check_destination(destination: Path, force: bool) -> None:
    """Refuse a place that cannot be written, or holds what must not be overwritten."""
    if is_url(str(destination)) or destination.name in ("", "..") or destination.suffix == ".zip":
        raise DataError(f"{destination} cannot be written: give a local folder, as fashion.zarr.")
    if not destination.parent.is_dir():
        raise DataError(f"The folder {destination.parent} does not exist; make it first.")
    if not os.path.lexists(destination):
        return
    if not force:
        raise DataError(f"{destination} exists already. Replace it with --force (force=True).")
    if not is_zarr(destination):
        raise DataError(f"{destination} is not a Zarr dataset; --force does not replace it.")


def clear_leftovers(destination: Path) -> None:
    """Remove what imports left that were killed on this machine."""
    import psutil

    before, after = f".{destination.name}.{socket.gethostname()}-", ".partial"
    for path in destination.parent.iterdir():
        if path.name.startswith(before) and path.name.endswith(after):
            pid = path.name[len(before) : -len(after)]
            if pid.isdigit() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(path, ignore_errors=True)


def _rename(partial: Path, destination: Path, aside: Path) -> None:
    if not os.path.lexists(destination):
        partial.rename(destination)
        return
    destination.rename(aside)
    try:
        partial.rename(destination)
    except BaseException:
        aside.rename(destination)
        raise
    if aside.is_symlink():
        aside.unlink()
    else:
        shutil.rmtree(aside)


def write_arrays(
    group: zarr.Group, arrays: Mapping[str, Samples], advance: Callable[[int], None]
) -> None:
    """Write arrays of shape ``(samples, …)``, calling `advance` with the bytes of each block.

    A thread writes a block while the next is read from its source; and an interrupted import waits
    for that one block, so that nothing is written after the folder is gone.
    """
    leader = max(arrays, key=lambda name: _sample_bytes(arrays[name]))
    step = chunk_samples(arrays[leader], 1)
    with ThreadPoolExecutor(1, thread_name_prefix="lepton-write") as pool:
        for name, values in arrays.items():
            target = _create(group, name, values, chunk_samples(values, step))
            waiting: Future[None] | None = None
            for start, stop in _blocks(values, int(target.chunks[0])):
                block = np.ascontiguousarray(values[start:stop])
                if waiting is not None:
                    waiting.result()
                waiting = pool.submit(_write, target, start, block)
                advance(block.nbytes)
            if waiting is not None:
                waiting.result()


def _write(target: zarr.Array[Any], start: int, block: NDArray[Any]) -> None:
    target[start : start + len(block)] = block


def _create(group: zarr.Group, name: str, values: Samples, chunk: int) -> zarr.Array[Any]:
    from zarr.codecs import BloscCodec, Crc32cCodec

    text = values.dtype.kind in "US"
    shuffled = BloscCodec(cname="zstd", clevel=5, shuffle="noshuffle" if text else "shuffle")
    return group.create_array(
        name,
        shape=values.shape,
        dtype="str" if text else values.dtype.newbyteorder("="),
        chunks=(chunk, *(max(1, n) for n in values.shape[1:])),
        compressors=[shuffled, Crc32cCodec()],  # a flipped bit is an error, never a wrong sample
        dimension_names=axis_names(name, values),
    )


def chunk_samples(values: Samples, step: int) -> int:
    """Return how many samples make a chunk of about 1 MiB, a multiple of `step`.

    As the chunks of all arrays are multiples of the largest array's, they can be read together.
    """
    size = max(1, _sample_bytes(values))
    wanted = max(CHUNK_SAMPLES, CHUNK_BYTES // size)
    wanted = min(wanted - wanted % CHUNK_SAMPLES, max(1, LARGEST_CHUNK // size))
    return min(max(1, wanted // step) * step, max(1, values.shape[0]))


def axis_names(name: str, values: Samples) -> tuple[str, ...]:
    """Return names of the axes by which xarray and people tell them apart."""
    rest = values.shape[1:]
    if values.dtype == np.uint8 and len(rest) == 3 and rest[2] in (1, 3, 4):
        return ("sample", "height", "width", "channel")
    if len(rest) == 1:
        return ("sample", "feature" if name == "x" else f"{name}_feature")
    return ("sample", *(f"{name}_{axis}" for axis in range(1, 1 + len(rest))))


def total_bytes(arrays: Mapping[str, Samples]) -> int:
    """Return the size of the arrays before they are compressed."""
    return sum(_sample_bytes(values) * values.shape[0] for values in arrays.values())


def _sample_bytes(values: Samples) -> int:
    return int(np.prod(values.shape[1:], dtype=np.int64)) * values.dtype.itemsize


def _blocks(values: Samples, chunk: int) -> Iterator[tuple[int, int]]:
    step = chunk * max(1, BLOCK_BYTES // max(1, chunk * _sample_bytes(values)))
    for start in range(0, values.shape[0], step):
        yield start, min(start + step, values.shape[0])
