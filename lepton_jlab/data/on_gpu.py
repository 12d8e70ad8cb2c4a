"""Chunks of an array as CuPy arrays: decoded on the GPU where that is faster, else on processors.

On the GPU nvCOMP decodes Zstandard, so that only compressed bytes cross the bus; else the threads
of this process decode into pinned memory, from which the GPU takes whole batches. Which of the two
is faster depends on the GPU, the bus, the processors and the chunks: it is measured on the first
chunks and remembered.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, Literal

from lepton_jlab.config import data_folder
from lepton_jlab.data.stream.decoding import Into, checked, decoder
from lepton_jlab.errors import DataError, MissingDependencyError, UsageError

Path = Literal["gpu", "cpu"]

_BATCH = 64  # chunks that are decoded at a time
_ROUNDS = 3  # of which the fastest counts
_MEASURED = "gpu_decode.json"


def chunks_on_gpu(array: Any, path: Path | None = None) -> Iterator[Any]:
    """Yield an array's chunks along its first axis, in order, as CuPy arrays.

    Parameters
    ----------
    array : zarr.Array
        Of Zarr v3, not sharded, and whole in all axes but the first.
    path : {"gpu", "cpu"}, optional
        Where to decode; by default where it was measured to be faster.

    Yields
    ------
    cupy.ndarray
        Of shape ``(samples, …)`` and the array's dtype, on the current device; TensorFlow takes it
        without a copy by ``tf.experimental.dlpack.from_dlpack(chunk.toDlpack())``.

    Raises
    ------
    DataError
        The array is laid out or encoded otherwise, or a chunk is damaged.
    MissingDependencyError
        CuPy is not installed, or nvCOMP is not and `path` is ``"gpu"``.
    UsageError
        `path` is ``"gpu"``, and nvCOMP has not the codec.
    """
    codecs = _codecs(array)
    cupy = module("cupy")
    size = math.prod(array.chunks) * array.dtype.itemsize
    why = obstacle([codec["name"] for codec in codecs])
    if path == "gpu":
        module("nvidia.nvcomp")
        if why is not None:
            raise UsageError(f"path='gpu': {why}. Leave path out: the processors decode it.")
    count = -(-array.shape[0] // array.chunks[0])
    for start in range(0, count, _BATCH):
        batch = range(start, min(start + _BATCH, count))
        stored = [_stored(array, index) for index in batch]
        there = [one for one in stored if one is not None]
        if path is None and there:
            ways = {
                name: partial(decode, cupy, codecs, there, size) for name, decode in _PATHS.items()
            }
            path = "cpu" if why is not None else faster(cupy, f"{size} bytes a chunk", ways)
        try:
            decoded = iter(_PATHS[path or "cpu"](cupy, codecs, there, size) if there else ())
        except (ValueError, RuntimeError) as error:
            raise DataError(
                f"A chunk of {array.name or 'the array'} among {batch[0]} to {batch[-1]} cannot be "
                f"decoded: {error}. Check it: %lepton data verify"
            ) from error
        for index, one in zip(batch, stored, strict=True):
            rows = min(array.chunks[0], array.shape[0] - index * array.chunks[0])
            if one is None:
                yield cupy.full((rows, *array.shape[1:]), array.fill_value, array.dtype)
            else:
                yield next(decoded).view(array.dtype).reshape(array.chunks)[:rows]


def obstacle(names: Sequence[str]) -> str | None:
    """Return why chunks of the codecs of these names cannot be decoded on the GPU, or None."""
    if list(names) not in (["zstd"], ["zstd", "crc32c"]):
        return f"nvCOMP decodes zstd here, and this is {' and '.join(names) or 'not encoded'}"
    return None if _installed("nvidia.nvcomp") else "nvCOMP is not installed"


def choose(seconds: Mapping[str, float]) -> Path:
    """Return the faster way; the GPU's must be so by a tenth, since runs have work for it, too.

    >>> choose({"gpu": 1.0, "cpu": 1.05}), choose({"gpu": 1.0, "cpu": 2.0})
    ('cpu', 'gpu')
    """
    return "gpu" if seconds["gpu"] * 1.1 < seconds["cpu"] else "cpu"


def measure(cupy: Any, ways: Mapping[Path, Callable[[], object]]) -> dict[str, float]:
    """Return the seconds that each way takes."""
    seconds: dict[str, float] = {}
    for name, decode in ways.items():
        decode()  # kernels are loaded, memory is there
        taken = []
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            decode()
            cupy.cuda.Device().synchronize()
            taken.append(time.perf_counter() - start)
        seconds[name] = min(taken)
    return seconds


def faster(cupy: Any, what: str, ways: Mapping[Path, Callable[[], object]]) -> Path:
    """Return the way that is faster here, as was measured for `what` on such a GPU."""
    device = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"]
    key = f"{device.decode() if isinstance(device, bytes) else device}, {what}"
    file = data_folder() / _MEASURED
    known: dict[str, dict[str, float]] = {}
    with suppress(OSError, ValueError):
        known = json.loads(file.read_text())
    if key not in known:
        known[key] = measure(cupy, ways)
        new = file.with_suffix(".new")
        new.write_text(json.dumps(known, indent=1))
        new.replace(file)
    return choose(known[key])


def decode_into(into: Into, stored: Sequence[bytes], rows: Any) -> None:
    """Decode each chunk into a row of bytes of its own, on all processors.

    Raises
    ------
    ValueError, RuntimeError
        A chunk is damaged, or not as long as a row.
    """
    with ThreadPoolExecutor() as pool:
        list(pool.map(into, stored, rows))


def _on_processors(
    cupy: Any, codecs: Sequence[Mapping[str, Any]], stored: Sequence[bytes], size: int
) -> Any:
    """Decode into pinned memory, and copy from there."""
    import numpy as np

    into = decoder(codecs)
    assert into is not None  # by `_codecs`
    pinned = cupy.cuda.alloc_pinned_memory(len(stored) * size)
    rows = np.frombuffer(pinned, np.uint8, len(stored) * size).reshape(len(stored), size)
    decode_into(into, stored, rows)
    there = cupy.empty(rows.shape, np.uint8)
    there.set(rows)
    cupy.cuda.get_current_stream().synchronize()  # before the pinned memory is given back
    return there


def decode_on_gpu(
    cupy: Any, codecs: Sequence[Mapping[str, Any]], stored: Sequence[bytes], size: int
) -> Any:
    """Copy Zstandard frames to the GPU and decode them there.

    Returns
    -------
    cupy.ndarray
        Of bytes, shape ``(chunks, size)``.

    Raises
    ------
    ValueError, RuntimeError
        A chunk is damaged, or not of that size.
    """
    import numpy as np

    if len(codecs) > 1:  # the checksum is of what is stored, so the processors compare it
        stored = [checked(one) for one in stored]
    nvcomp = module("nvidia.nvcomp")
    codec = nvcomp.Codec(
        algorithm="Zstd",
        bitstream_kind=nvcomp.BitstreamKind.RAW,  # plain frames, without nvCOMP's own header
        device_id=cupy.cuda.Device().id,
        cuda_stream=cupy.cuda.get_current_stream().ptr,
    )
    frames = [cupy.asarray(np.frombuffer(one, np.uint8)) for one in stored]
    decoded = codec.decode(nvcomp.as_arrays(frames))
    there = cupy.empty((len(stored), size), np.uint8)
    for index, row in enumerate(there):
        values = cupy.from_dlpack(decoded[index].to_dlpack()).view(np.uint8).ravel()
        if len(values) != size:
            raise ValueError(f"{len(values)} bytes decoded, {size} expected")
        row[:] = values  # a copy: nvCOMP's memory goes with its array
    cupy.cuda.get_current_stream().synchronize()
    return there


_PATHS: Mapping[Path, Callable[..., Any]] = {"gpu": decode_on_gpu, "cpu": _on_processors}


def _codecs(array: Any) -> list[dict[str, Any]]:
    """Return the codecs that follow ``bytes``.

    Raises
    ------
    DataError
        The array is not one whose chunks are rows, plainly encoded.
    """
    document: dict[str, Any] = array.metadata.to_dict()
    first, *codecs = document.get("codecs") or [{"name": "none"}]
    about = f"{array.name or 'This array'} cannot be read by chunks to a GPU"
    if document.get("zarr_format") != 3 or first["name"] != "bytes":
        raise DataError(f"{about}: it must be Zarr v3, not sharded. Recode it: %lepton data tier")
    if tuple(array.chunks[1:]) != tuple(array.shape[1:]) or array.dtype.hasobject:
        raise DataError(f"{about}: its chunks {array.chunks} must be whole samples of numbers.")
    if not array.dtype.isnative or (first.get("configuration") or {}).get("endian") == "big":
        raise DataError(f"{about}: its numbers are big-endian.")
    if decoder(codecs) is None:
        names = ", ".join(codec["name"] for codec in codecs)
        raise DataError(f"{about}: its codecs ({names}) are not known here.")
    return codecs


def _stored(array: Any, index: int) -> bytes | None:
    """Return a chunk as it is stored; None if it was never written."""
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    coordinates = (index,) + (0,) * (len(array.shape) - 1)
    key = array.metadata.encode_chunk_key(coordinates)
    found = sync((array.store_path / key).get(default_buffer_prototype()))
    return None if found is None else bytes(found.to_bytes())


def _installed(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def module(name: str) -> Any:
    """Import CuPy or nvCOMP.

    Raises
    ------
    MissingDependencyError
        It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        called = {"cupy": "CuPy", "nvidia.nvcomp": "nvCOMP"}[name]
        raise MissingDependencyError(called, "nvcomp") from error
