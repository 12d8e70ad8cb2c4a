"""What is damaged is never given out: the error names the array, the chunk and where it is."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.stream.storing import make_batches, read_by_chunks, recorded_reads
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    ZstdCodec,
)

from lepton_jlab.data import open_dataset
from lepton_jlab.errors import DataError

ROWS, CHUNK, WIDTH = 40, 8, 6
CODECS = {
    "plain": [],
    "gzip": [GzipCodec(level=1)],
    "zstd": [ZstdCodec(level=1)],
    "zstd, checked itself": [ZstdCodec(level=1, checksum=True)],
    "blosc lz4": [BloscCodec(cname="lz4", shuffle="shuffle")],
    "blosc zstd": [BloscCodec(cname="zstd", shuffle="bitshuffle")],
    "blosc blosclz": [BloscCodec(cname="blosclz", shuffle="noshuffle")],
}


@pytest.fixture(autouse=True)
def chunks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    read_by_chunks(monkeypatch)


@pytest.fixture
def values() -> Any:
    """Values that compress, but are not all the same."""
    return np.random.default_rng(0).integers(0, 9, (ROWS, WIDTH)).astype("i4")


@pytest.fixture
def write(tmp_path: Path, values: Any) -> Callable[..., Path]:
    def make(codecs: Any, sharded: bool = False, checked: bool = True) -> Path:
        """Store the values in five chunks, or in three shards; return the folder of the array."""
        codecs = [*codecs, *([Crc32cCodec()] if checked else [])]
        options: dict[str, Any] = {"chunks": (CHUNK, WIDTH), "compressors": codecs or None}
        if sharded:
            inner = ShardingCodec(
                chunk_shape=(CHUNK, WIDTH),
                codecs=[BytesCodec(), *codecs],
                index_codecs=[BytesCodec(), *([Crc32cCodec()] if checked else [])],
            )
            options = {"chunks": (2 * CHUNK, WIDTH), "serializer": inner, "compressors": None}
        group = zarr.create_group(str(tmp_path / "d.zarr"), overwrite=True)
        group.create_array("x", shape=values.shape, dtype="i4", **options)[:] = values
        return tmp_path / "d.zarr" / "x"

    return make


def read(array: Path) -> Any:
    return np.concatenate(list(make_batches(open_dataset(array.parent), 8, shuffle=False).numpy()))


def spoiled(array: Path) -> Path:
    """Return a file of the array."""
    return sorted(path for path in (array / "c").rglob("*") if path.is_file())[1]


def check_error(error: DataError, array: Path, numbers: tuple[int, ...]) -> None:
    """Check that it names the array, a chunk of these numbers, and the file or its folder."""
    text = str(error)
    chunk = re.search(r"Chunk (\d+)/0 of 'x'", text)
    assert chunk is not None, text
    assert int(chunk[1]) in numbers
    assert str(array) in text


@pytest.mark.parametrize("sharded", [False, True], ids=["chunks", "shards"])
@pytest.mark.parametrize("codec", CODECS)
def test_a_flipped_bit_is_found_by_the_checksum(
    write: Callable[..., Path], values: Any, codec: str, sharded: bool
) -> None:
    array = write(CODECS[codec], sharded)
    file, rng = spoiled(array), random.Random(codec)
    whole = file.read_bytes()
    index = 16 * 2 + 4 if sharded else 0  # its last bytes are the index and its checksum
    places = [rng.randrange(len(whole)) for _ in range(15)]
    places += [len(whole) - 1 - rng.randrange(index) for _ in range(10 if sharded else 0)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        file.write_bytes(damaged)
        with pytest.raises(DataError) as caught:
            assert np.array_equal(read(array), values)
            pytest.fail(f"a bit of byte {place} went unnoticed")
        check_error(caught.value, array, (2, 3) if sharded else (1,))
    file.write_bytes(whole)
    assert np.array_equal(read(array), values)


@pytest.mark.parametrize("checked", [True, False], ids=["with checksum", "without"])
@pytest.mark.parametrize("sharded", [False, True], ids=["chunks", "shards"])
@pytest.mark.parametrize("codec", CODECS)
def test_a_file_that_was_cut_off_is_found(
    write: Callable[..., Path], values: Any, codec: str, sharded: bool, checked: bool
) -> None:
    array = write(CODECS[codec], sharded, checked)
    file = spoiled(array)
    whole = file.read_bytes()
    for length in {0, 1, 4, 15, 16, 17, len(whole) // 2, len(whole) - 5, len(whole) - 1}:
        file.write_bytes(whole[:length])
        with pytest.raises(DataError) as caught:
            assert np.array_equal(read(array), values)
            pytest.fail(f"{length} of {len(whole)} bytes were enough")
        check_error(caught.value, array, (2, 3) if sharded else (1,))


@pytest.mark.parametrize("sharded", [False, True], ids=["chunks", "shards"])
@pytest.mark.parametrize("codec", ["gzip", "blosc lz4"])
def test_an_array_that_is_kept_whole_is_read_as_carefully(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, codec: str, sharded: bool
) -> None:
    monkeypatch.undo()
    array = write(CODECS[codec], sharded)
    file = spoiled(array)
    whole = file.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", b"\0" + whole[1:], b"\0" * 99):
        file.write_bytes(damaged)
        with recorded_reads() as reads, pytest.raises(DataError) as caught:
            read(array)
        check_error(caught.value, array, (2, 3) if sharded else (1,))
        assert len(reads) <= 4  # one after the other, not by the threads of a window


@pytest.mark.parametrize("compressor", ["blosc", "zstd", "zlib", "lz4", "bz2", "gzip", None])
def test_a_file_of_zarr_v2_that_was_cut_off_is_found(
    tmp_path: Path, values: Any, compressor: str | None
) -> None:
    import numcodecs

    codec = None if compressor is None else numcodecs.get_codec({"id": compressor})
    group = zarr.create_group(str(tmp_path / "d.zarr"), zarr_format=2)
    group.create_array("x", data=values, chunks=(CHUNK, WIDTH), compressors=codec)
    array = tmp_path / "d.zarr" / "x"
    file = array / "1.0"
    whole = file.read_bytes()
    for length in {0, 1, 4, 15, 16, 17, len(whole) // 2, len(whole) - 1}:
        file.write_bytes(whole[:length])
        with pytest.raises(DataError) as caught:
            read(array)
            pytest.fail(f"{length} of {len(whole)} bytes were enough")
        check_error(caught.value, array, (1,))


def test_a_chunk_of_another_size_is_found(write: Callable[..., Path], values: Any) -> None:
    array = write([ZstdCodec(level=1)])
    file = spoiled(array)
    zarr.create_array(str(array.parent / "o"), data=values, chunks=(3, WIDTH))
    (array.parent / "o" / "c" / "0" / "0").rename(file)
    with pytest.raises(DataError) as caught:
        read(array)
    check_error(caught.value, array, (1,))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_no_absent_chunk(write: Callable[..., Path]) -> None:
    array = write([])
    spoiled(array).chmod(0)
    with pytest.raises(DataError, match="PermissionError") as caught:
        read(array)
    check_error(caught.value, array, (1,))


def test_a_folder_in_the_place_of_a_chunk_is_no_absent_chunk(write: Callable[..., Path]) -> None:
    array = write([])
    file = spoiled(array)
    file.unlink()
    file.mkdir()
    with pytest.raises(DataError) as caught:
        read(array)
    check_error(caught.value, array, (1,))
