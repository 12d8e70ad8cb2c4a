"""Decodes a stored chunk straight into a buffer, for the codecs that nearly all data use.

numcodecs writes Blosc and Zstandard into memory that is given to it and releases the GIL, so that
threads of this process reach the speed of the codec itself; `docs/streaming.md` has it beside
tensorstore, zarrs and zarr-python. What is not named here is read by zarr-python.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes: TypeAlias = NDArray[np.uint8]

# Both take what is stored; the first returns it decoded, the second writes it to its end.
Step: TypeAlias = Callable[[Any], Any]
Into: TypeAlias = Callable[[Any, "Bytes"], None]

_ZSTD_MAGIC = 0xFD2FB528


def decoder(codecs: Sequence[Mapping[str, Any]]) -> Into | None:
    """Return what decodes bytes stored by the `codecs` of a Zarr v3 array that follow ``bytes``.

    Parameters
    ----------
    codecs
        Documents of codecs in the order of encoding, as ``{"name": "zstd"}``.

    Returns
    -------
    callable or None
        Called with the stored bytes and a contiguous array of uint8 to fill to its last byte. It
        raises `ValueError` or `RuntimeError` where that cannot be. None if a codec is not known.
    """
    if not codecs:
        return _copy
    names = [codec["name"] for codec in codecs]
    first, *later = (_STEPS.get(name) for name in names)
    into = _INTO.get(names[0])
    if into is None and first is not None:
        into = _filling(first)
    if into is None or None in later:
        return None
    return _chained(into, [step for step in reversed(later) if step is not None])


def in_place(names: Sequence[str]) -> bool:
    """Whether these codecs decode into memory they are given, without a copy on the way."""
    return all(name in _INTO or name == "crc32c" for name in names)


def decoder_v2(compressor: Any) -> Into:
    """Return what decodes bytes stored by the compressor of a Zarr v2 array, a numcodecs codec."""
    if compressor is None:
        return _copy
    return _INTO.get(compressor.codec_id) or _filling(compressor.decode)


def _chained(into: Into, steps: Sequence[Step]) -> Into:
    if not steps:
        return into

    def decode(stored: Any, out: Bytes) -> None:
        for step in steps:
            stored = step(stored)
        into(stored, out)

    return decode


def _filling(step: Step) -> Into:
    return lambda stored, out: _copy(step(stored), out)


def _copy(stored: Any, out: Bytes) -> None:
    values = np.frombuffer(stored, np.uint8)
    _check_size(len(values), out)
    out[:] = values


def _blosc(stored: Any, out: Bytes) -> None:
    from numcodecs import blosc

    if len(stored) < 16:
        raise ValueError("shorter than a Blosc header")
    decoded, _, held = struct.unpack_from("<3I", stored, 4)
    if held > len(stored):  # Blosc would read on behind the end
        raise ValueError(f"{len(stored)} bytes there, {held} expected")
    _check_size(decoded, out)
    blosc.decompress(stored, out)


def _zstd(stored: Any, out: Bytes) -> None:
    from numcodecs import zstd

    # A frame of known size that fills `out` exactly; others are decoded to see how long they are.
    if _frame_content_size(stored) == len(out):
        zstd.decompress(stored, out)
    else:
        _copy(zstd.decompress(stored), out)


def _gunzip(stored: Any) -> bytes:
    import gzip

    return gzip.decompress(stored)


def checked(stored: Any) -> Any:
    """Return the bytes before their CRC-32C, which they must agree with.

    Raises
    ------
    ValueError
        If they do not.
    """
    import google_crc32c

    values = np.frombuffer(stored, np.uint8)  # google_crc32c takes no memoryview
    content, checksum = values[:-4], values[-4:].tobytes()
    if google_crc32c.value(content).to_bytes(4, "little") != checksum:
        raise ValueError("its CRC-32C checksum does not agree: the bytes are damaged")
    return content


def check_length(stored: Any, expected: int | None) -> None:
    """Refuse bytes that are not as many as they should be.

    Raises
    ------
    ValueError
        If they are not.
    """
    if expected is not None and len(stored) != expected:
        raise ValueError(f"{len(stored)} bytes there, {expected} expected")


def _check_size(size: int, out: Bytes) -> None:
    if size != len(out):
        raise ValueError(f"{size} bytes decoded, {len(out)} expected")


def _frame_content_size(stored: Any) -> int | None:
    """Return the decoded size that a Zstandard frame states (RFC 8878, section 3.1.1.1)."""
    if len(stored) < 18 or struct.unpack_from("<I", stored)[0] != _ZSTD_MAGIC:
        return None
    descriptor = stored[4]
    single_segment, dictionary = descriptor >> 5 & 1, descriptor & 3
    at = 5 + (not single_segment) + (0, 1, 2, 4)[dictionary]
    form = ("<B" if single_segment else None, "<H", "<I", "<Q")[descriptor >> 6]
    if form is None:
        return None
    return int(struct.unpack_from(form, stored, at)[0]) + (256 if form == "<H" else 0)


_INTO: Mapping[str, Into] = {"blosc": _blosc, "zstd": _zstd}
_STEPS: Mapping[str, Step] = {"gzip": _gunzip, "crc32c": checked}
