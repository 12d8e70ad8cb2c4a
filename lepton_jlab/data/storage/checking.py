"""Checks one array of a dataset file by file: each chunk is read and decoded."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lepton_jlab.data.describe import CHECKSUMS
from lepton_jlab.data.stream.chunks import Chunks
from lepton_jlab.data.stream.report import Meter
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    import zarr

Means = Literal["checksum", "decoding", "size"]

# Codecs whose formats hold a checksum of what was compressed.
_CHECKED = {"gzip", "zlib", "bz2", "numcodecs.gzip", "numcodecs.zlib", "numcodecs.bz2"}
_PLAIN = {"bytes", "transpose", "vlen-utf8", "vlen-bytes"}


class ArrayCheck:
    """Checks the files of one array, by many threads.

    Parameters
    ----------
    path
        Of the array in its dataset, as ``test/x``; "" for a single array.
    array
        The open Zarr array.
    is_complete
        Whether each of its files was written, so that a missing one is damage.

    Attributes
    ----------
    means : {"checksum", "decoding", "size"}
        What tells damage: a checksum; only that it can be decoded and has the right size, which
        may miss flipped bits; or, as there is no codec, the size alone.
    """

    def __init__(self, path: str, array: zarr.Array[Any], is_complete: bool) -> None:
        self.path = path
        self.array = array
        self.is_complete = is_complete and bool(array.shape)
        self.means: Means = _means(array)
        self._chunks = Chunks(path, array) if array.shape else None
        self._meter = Meter()
        self._local = threading.local()
        self._file = tuple(max(1, n) for n in (array.shards or array.chunks))
        self._piece = tuple(max(1, n) for n in array.chunks)

    def files(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the key, relative to the array, and the place in the grid of each file."""
        counts = (-(-n // f) for n, f in zip(self.array.shape, self._file, strict=True))
        for place in itertools.product(*map(range, counts)):
            yield self.array.metadata.encode_chunk_key(place), place

    @property
    def count(self) -> int:
        """How many files the array has, if all are there."""
        return math.prod(-(-n // f) for n, f in zip(self.array.shape, self._file, strict=True))

    def key(self, relative: str) -> str:
        """Return the key in the dataset of a key that `files` gave."""
        return f"{self.path}/{relative}" if self.path else relative

    def exists(self, relative: str) -> bool:
        """Ask the store whether it has the file of a key that `files` gave."""
        from zarr.core.sync import sync

        return sync((self.array.store_path / relative).exists())

    def problem(self, place: tuple[int, ...]) -> tuple[str, str] | None:
        """Decode all chunks of a file; return the first that is broken and why, or None."""
        for coords in self._pieces(place):
            try:
                self._read(coords)
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - every codec has its own kinds
                return "/".join(map(str, coords)), _reason(error)
        return None

    def _pieces(self, place: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the places of the chunks that lie in a file and in the array."""
        spans = [
            range(p * f // c, -(-min((p + 1) * f, n) // c))
            for p, f, c, n in zip(place, self._file, self._piece, self.array.shape, strict=True)
        ]
        return itertools.product(*spans)

    def _read(self, coords: tuple[int, ...]) -> None:
        if self._chunks is not None and self._chunks.fast:
            self._chunks._load_piece(coords, self._buffer(), self._meter)
            return
        region = tuple(slice(c * n, (c + 1) * n) for c, n in zip(coords, self._piece, strict=True))
        values: Any = self.array[region]
        np.asarray(values)

    def _buffer(self) -> Any:
        if not hasattr(self._local, "buffer"):
            assert self._chunks is not None
            self._local.buffer = np.empty(self._piece, self._chunks.dtype)
        return self._local.buffer


def _means(array: zarr.Array[Any]) -> Means:
    codecs = _codecs(dict(array.metadata.to_dict()))
    if any(
        name in CHECKSUMS | _CHECKED or (name == "zstd" and configuration.get("checksum"))
        for name, configuration in codecs
    ):
        return "checksum"
    return "decoding" if {name for name, _ in codecs} - _PLAIN else "size"


def _codecs(meta: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the codecs of a chunk, those inside shards where there are shards."""
    if meta["zarr_format"] == 2:
        listed = [*(meta.get("filters") or ()), *filter(None, [meta.get("compressor")])]
        return [(str(codec["id"]), codec) for codec in listed]
    codecs: Any = meta["codecs"]
    while codecs[0]["name"] == "sharding_indexed":
        codecs = [*codecs[0]["configuration"]["codecs"], *codecs[1:]]
    return [(str(codec["name"]), codec.get("configuration", {})) for codec in codecs]


def _reason(error: Exception) -> str:
    """Say what a codec found, without what Lepton says around it."""
    cause = error.__cause__ if isinstance(error, DataError) and error.__cause__ else error
    return str(cause) or type(cause).__name__
