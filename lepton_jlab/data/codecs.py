"""Codecs by name: what an array is written with, and the same steps for a trial in memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lepton_jlab.errors import UsageError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shuffle = Literal["noshuffle", "shuffle", "bitshuffle"]

AUTO = "auto"
DEFAULT = "blosc-zstd"
TEXT_KINDS = "UST"


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to compress the chunks of an array; a checksum is added when it is written.

    Attributes
    ----------
    name
        As in ``--codec blosc-zstd``.
    family
        ``"blosc"``, ``"zstd"``, ``"gzip"``, or ``""`` for none.
    level
        From fast to dense; the range is the family's.
    inner
        What Blosc compresses with.
    shuffle
        How Blosc sorts the bytes or bits of values first.
    delta
        Store differences of neighbouring integers. Only zarr-python reads that, so no trial
        chooses it.
    """

    name: str
    family: Literal["", "blosc", "zstd", "gzip"] = "blosc"
    level: int = 5
    inner: Literal["lz4", "lz4hc", "zstd"] = "zstd"
    shuffle: Shuffle = "noshuffle"
    delta: bool = False

    @property
    def portable(self) -> bool:
        """Whether every reader of Zarr v3 knows it."""
        return not self.delta

    def fits(self, dtype: np.dtype[Any]) -> bool:
        """Whether values of this type come back as they were."""
        return not self.delta or dtype.kind in "iu"

    def create_options(self, dtype: np.dtype[Any]) -> dict[str, Any]:
        """Return the arguments ``filters`` and ``compressors`` of Zarr's ``create_array``.

        The last compressor is a checksum: a flipped bit is an error, never a wrong sample.
        """
        from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

        options: dict[str, Any] = {"compressors": [Crc32cCodec()]}
        compressor: Any = None
        if self.family == "blosc":
            shuffle = "noshuffle" if dtype.kind in TEXT_KINDS else self.shuffle
            compressor = BloscCodec(cname=self.inner, clevel=self.level, shuffle=shuffle)
        elif self.family == "zstd":
            compressor = ZstdCodec(level=self.level)
        elif self.family == "gzip":
            compressor = GzipCodec(level=self.level)
        if compressor is not None:
            options["compressors"].insert(0, compressor)
        if self.delta:
            from zarr.codecs.numcodecs import Delta

            with warnings.catch_warnings():  # that others cannot read it is said in the table
                warnings.simplefilter("ignore")
                options["filters"] = [Delta(dtype=dtype.newbyteorder("=").str)]
        return options

    def stages(self, dtype: np.dtype[Any]) -> list[Any]:
        """Return the numcodecs codecs that do the same, in the order of encoding."""
        import numcodecs

        stages: list[Any] = []
        if self.delta:
            stages.append(numcodecs.Delta(dtype=dtype.newbyteorder("=").str))
        if self.family == "blosc":
            text = dtype.kind in TEXT_KINDS
            way = 0 if text else ("noshuffle", "shuffle", "bitshuffle").index(self.shuffle)
            stages.append(numcodecs.Blosc(self.inner, self.level, way))
        elif self.family == "zstd":
            stages.append(numcodecs.Zstd(level=self.level))
        elif self.family == "gzip":
            stages.append(numcodecs.GZip(level=self.level))
        return stages


_ALL = (
    Codec("none", family=""),
    Codec("blosc-lz4", inner="lz4", shuffle="shuffle"),
    Codec("blosc-lz4-bitshuffle", inner="lz4", shuffle="bitshuffle"),
    Codec("blosc-lz4hc", inner="lz4hc", level=9, shuffle="shuffle"),
    Codec("blosc-zstd", inner="zstd", shuffle="shuffle"),
    Codec("blosc-zstd-bitshuffle", inner="zstd", shuffle="bitshuffle"),
    Codec("blosc-zstd-9", inner="zstd", level=9, shuffle="shuffle"),
    Codec("zstd", family="zstd", level=3),
    Codec("zstd-19", family="zstd", level=19),
    Codec("gzip", family="gzip", level=6),
    Codec("delta-zstd", inner="zstd", shuffle="shuffle", delta=True),
)
CODECS = {codec.name: codec for codec in _ALL}


def codec_named(name: str) -> Codec:
    """Return a codec by its name.

    Raises
    ------
    UsageError
        If there is none of that name; the message lists them.
    """
    if name in CODECS:
        return CODECS[name]
    near = suggestion(name, [AUTO, *CODECS]) or f" There are: {AUTO}, {', '.join(CODECS)}."
    raise UsageError(f"There is no codec {name!r}.{near}")


def candidates(dtype: np.dtype[Any]) -> list[Codec]:
    """Return the codecs worth a trial on values of this type.

    Where values are single bytes a byte shuffle does nothing, and dense zstd needs no Blosc; text
    has no fixed width to shuffle by.
    """
    wide = dtype.itemsize > 1 and dtype.kind not in TEXT_KINDS
    out = {"zstd-19"} if wide else {"blosc-zstd-9"}
    if dtype.kind in TEXT_KINDS:
        out |= {"blosc-lz4-bitshuffle", "blosc-zstd-bitshuffle"}
    return [codec for codec in _ALL if codec.name not in out and codec.fits(dtype)]


def encoder(codec: Codec, dtype: np.dtype[Any]) -> Callable[[Any], Any]:
    """Return a function from a chunk, an array or bytes, to its compressed bytes."""
    stages = codec.stages(dtype)

    def encode(chunk: Any) -> Any:
        for stage in stages:
            chunk = stage.encode(chunk)
        return chunk

    return encode


def decoder(codec: Codec, dtype: np.dtype[Any]) -> Callable[[Any, NDArray[Any]], None]:
    """Return a function that decodes compressed bytes into an array, as a loader does."""
    stages = codec.stages(dtype)[::-1]

    def decode(data: Any, out: NDArray[Any]) -> None:
        for stage in stages[:-1]:
            data = stage.decode(data)
        if stages:
            stages[-1].decode(data, out)
        else:
            out.reshape(-1).view(np.uint8)[:] = np.frombuffer(data, np.uint8)

    return decode
