"""The stored chunks of one array: found, read and decoded one at a time, by many threads."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.stream.decoding import Into, check_length, decoder, decoder_v2, in_place
from lepton_jlab.data.stream.fetching import fetcher
from lepton_jlab.errors import DataError, LeptonError

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

    from lepton_jlab.data.stream.report import Meter

_RAW_KINDS = "biufcmMSUV"  # dtypes whose values are their bytes
_ABSENT = 2**64 - 1
_KEPT_INDICES = 4096  # of shards
_ATTEMPTS = 3  # at a chunk that arrives but cannot be decoded


class Chunks:
    """Chunks of whole samples.

    Where an array is cut along other axes too, the pieces that make up a number of whole samples
    are one chunk here.

    Parameters
    ----------
    name
        Name of the array, for errors.
    array
        The open Zarr array, shape ``(samples, …)``.

    Attributes
    ----------
    length
        Samples in a chunk, the last one excepted.
    dtype
        Of the decoded values, in this machine's byte order.
    width, transfer
        Those of its `Fetcher`.
    raw
        Whether values are plain bytes, so that chunks can be decoded into a buffer.
    """

    def __init__(self, name: str, array: zarr.Array[Any]) -> None:
        self.name = name
        self.dtype = native(array.dtype)
        self.raw = is_raw(self.dtype)
        self.shape = tuple(array.shape)
        self._piece = tuple(max(1, n) for n in array.chunks)
        self.length = self._piece[0]
        self._array = array
        self._fetcher = fetcher(array)
        self.width = self._fetcher.width
        self.transfer = self._fetcher.transfer
        self._stored = _find_stored(array) if self.raw else None
        self._indices: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Decoded size of a chunk, in bytes."""
        return self.length * math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def in_place(self) -> bool:
        """Whether chunks are decoded straight into a buffer, without a copy on the way."""
        stored = self._stored
        return stored is not None and in_place([codec["name"] for codec in stored.codecs])

    @property
    def fast(self) -> bool:
        """Whether chunks are decoded here, and not by zarr-python."""
        return self._stored is not None

    @property
    def codecs(self) -> list[dict[str, Any]] | None:
        """How a chunk is encoded, if it is stored as one piece of this machine's numbers."""
        stored = self._stored
        if stored is None or stored.swapped or self._piece[1:] != self.shape[1:]:
            return None
        return stored.codecs

    def rows(self, number: int) -> int:
        """Return how many samples the chunk has."""
        return min(self.length, self.shape[0] - number * self.length)

    def read(self, number: int, meter: Meter) -> NDArray[Any]:
        """Return a chunk as zarr-python reads it, shape ``(rows, …)``."""
        start = time.perf_counter()
        first = number * self.length
        try:
            values = np.asarray(self._array[first : first + self.rows(number)])
        except (MemoryError, KeyboardInterrupt, LeptonError):
            raise
        except Exception as error:  # every codec and store has its own kinds
            key = (number, *(0 for _ in self.shape[1:]))
            raise self._broken(key, str(self._array.store_path), error) from error
        meter.add(decode=time.perf_counter() - start, decoded=values.nbytes)
        return values.astype(self.dtype, copy=False)

    def read_all(self, meter: Meter) -> NDArray[Any]:
        """Return all samples, shape ``(samples, …)``.

        Raises
        ------
        DataError
            If a chunk cannot be read or decoded.
        """
        count = -(-self.shape[0] // self.length)
        if not self.raw:
            return np.concatenate([self.read(number, meter) for number in range(count)])
        values = np.empty((count * self.length, *self.shape[1:]), self.dtype)
        for number in range(count):
            first = number * self.length
            self.load(number, values[first : first + self.length], meter)
        return values[: self.shape[0]]

    def encoded(self, number: int) -> bytes | None:
        """Return a chunk in one piece as it is stored; None if it was never written."""
        key, start, stop = self._place((number, *(0 for _ in self.shape[1:])))
        found = None if start == stop else self._fetcher.get(key, start, stop)
        if found is None:
            return None
        check_length(found, None if stop is None else stop - start)
        return found.tobytes()

    def load(self, number: int, out: NDArray[Any], meter: Meter) -> None:
        """Decode a chunk into `out`, contiguous, of shape ``(length, …)``.

        The rows behind the end of the array are left as they come.

        Raises
        ------
        DataError
            If the chunk cannot be read or decoded; it names the array, the chunk, where it is.
        """
        if self._stored is None:
            out[: self.rows(number)] = self.read(number, meter)
            return
        if self._piece[1:] == self.shape[1:]:
            self._load_piece((number, *(0 for _ in self.shape[1:])), out, meter)
            return
        counts = [range(-(-n // p)) for n, p in zip(self.shape[1:], self._piece[1:], strict=True)]
        piece = np.empty(self._piece, self.dtype)
        for place in itertools.product(*counts):
            self._load_piece((number, *place), piece, meter)
            target = tuple(
                slice(i * p, min(n, (i + 1) * p))
                for i, p, n in zip(place, self._piece[1:], self.shape[1:], strict=True)
            )
            out[:, *target] = piece[:, *(slice(0, s.stop - s.start) for s in target)]

    def _load_piece(self, coords: tuple[int, ...], out: NDArray[Any], meter: Meter) -> None:
        stored = self._stored
        assert stored is not None
        key, start, stop = "", 0, None
        for attempt in range(1, _ATTEMPTS + 1):
            began = time.perf_counter()
            try:
                found: Any = None
                key, start, stop = self._place(coords)
                if start != stop:
                    found = self._fetcher.get(key, start, stop)
                fetched = time.perf_counter()
                if found is None:
                    out[...] = stored.fill
                else:
                    check_length(found, None if stop is None else stop - start)
                    stored.decode(found, out.reshape(-1).view(np.uint8))
                    if stored.swapped:
                        out.byteswap(inplace=True)
            except (MemoryError, KeyboardInterrupt, LeptonError):
                raise
            except Exception as error:  # every codec has its own kinds
                if attempt < _ATTEMPTS and self._fetcher.forget(key, start, stop):
                    with self._lock:
                        self._indices.clear()
                    continue
                raise self._broken(coords, self._fetcher.address(key), error) from error
            meter.add(
                read=fetched - began,
                decode=time.perf_counter() - fetched,
                stored=0 if found is None else len(found),
                decoded=out.nbytes,
            )
            return

    def _place(self, coords: tuple[int, ...]) -> tuple[str, int, int | None]:
        """Return the key of a chunk and its bytes there; start = stop if it is absent."""
        stored = self._stored
        assert stored is not None
        encode = self._array.metadata.encode_chunk_key
        if stored.index is None:
            return encode(coords), 0, None
        grid = stored.index.grid
        shard = tuple(c // n for c, n in zip(coords, grid, strict=True))
        with self._lock:
            index = self._indices.get(shard)
        if index is None:
            index = stored.index.read(self._fetcher, encode(shard))
            with self._lock:
                self._indices[shard] = index
                if len(self._indices) > _KEPT_INDICES:
                    self._indices.popitem(last=False)
        offset, length = index[tuple(c % n for c, n in zip(coords, grid, strict=True))].tolist()
        if offset == length == _ABSENT:
            return encode(shard), 0, 0
        return encode(shard), offset, offset + length

    def _broken(self, coords: tuple[int, ...], address: str, error: Exception) -> DataError:
        chunk = "/".join(map(str, coords))
        return DataError(
            f"Chunk {chunk} of {self.name!r} cannot be read: {type(error).__name__}: {error}. "
            f"It is in {address}; restore it from a copy, or import the dataset again."
        )


def is_raw(dtype: np.dtype[Any]) -> bool:
    """Whether values are plain bytes, that can be copied without a look at them."""
    return dtype.kind in _RAW_KINDS and not dtype.hasobject


def native(dtype: Any) -> np.dtype[Any]:
    """Return `dtype` in this machine's byte order."""
    known: np.dtype[Any] = np.dtype(dtype)
    return known.newbyteorder("=") if known.kind in _RAW_KINDS else known


class _Stored:
    """How the chunks of an array are stored, as far as they are decoded here."""

    def __init__(
        self,
        decode: Into,
        codecs: list[dict[str, Any]],
        fill: Any,
        swapped: bool,
        index: _ShardIndex | None = None,
    ) -> None:
        self.decode = decode
        self.codecs = codecs
        self.fill = fill
        self.swapped = swapped
        self.index = index


class _ShardIndex:
    """Where in a shard its chunks are: offset and length of each, ``2**64 - 1`` if absent.

    Zarr v3, codec ``sharding_indexed``, version 1.0.
    """

    def __init__(self, grid: tuple[int, ...], at_end: bool, decode: Into, size: int) -> None:
        self.grid = grid
        self._at_end = at_end
        self._decode = decode
        self._size = size

    def read(self, source: Any, key: str) -> NDArray[np.uint64]:
        """Return the index, shape ``(*grid, 2)``."""
        span = (-self._size, None) if self._at_end else (0, self._size)
        index = np.full((*self.grid, 2), _ABSENT, "<u8")
        found = source.get(key, *span)
        if found is not None:
            try:
                self._decode(found, index.reshape(-1).view(np.uint8))
            except ValueError:
                source.forget(key, *span)
                raise
        return index


def _find_stored(array: zarr.Array[Any]) -> _Stored | None:
    """Return how `array` is stored, or None if zarr-python has to read it."""
    meta = array.metadata
    dtype = np.dtype(array.dtype)
    fill = meta.fill_value
    if fill is None:
        fill = np.zeros((), dtype)[()]
    if meta.zarr_format == 2:
        if meta.filters or meta.order != "C" or (dtype.kind in "UV" and not dtype.isnative):
            return None
        used = [] if meta.compressor is None else [{"name": str(meta.compressor.codec_id)}]
        return _Stored(decoder_v2(meta.compressor), used, fill, not dtype.isnative)
    document: dict[str, Any] = dict(meta.to_dict())
    codecs = document["codecs"]
    index = None
    if codecs[0]["name"] == "sharding_indexed":
        shards = codecs[0]["configuration"]
        index = _find_index(array, shards)
        if index is None or len(codecs) > 1:
            return None
        codecs = shards["codecs"]
    first, *rest = codecs
    decode = decoder(rest)
    if first["name"] != "bytes" or decode is None:
        return None
    big = first.get("configuration", {}).get("endian") == "big" and dtype.itemsize > 1
    if big and dtype.kind in "SUV":
        return None
    return _Stored(decode, rest, fill, big, index)


def _find_index(array: zarr.Array[Any], shards: dict[str, Any]) -> _ShardIndex | None:
    first, *rest = shards["index_codecs"]
    names = [codec["name"] for codec in rest]
    little = first["name"] == "bytes" and first["configuration"]["endian"] == "little"
    if not little or names not in ([], ["crc32c"]) or array.shards is None:
        return None
    decode = decoder(rest)
    assert decode is not None
    grid = tuple(s // c for s, c in zip(array.shards, array.chunks, strict=True))
    size = 16 * math.prod(grid) + 4 * len(names)
    return _ShardIndex(grid, shards.get("index_location", "end") == "end", decode, size)
