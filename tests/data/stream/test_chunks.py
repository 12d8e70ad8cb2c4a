"""Chunks are what zarr-python reads, byte for byte, however they are stored."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.stream.storing import Way, as_bytes, ways
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.storage import MemoryStore, ZipStore

from lepton_jlab.data.stream.chunks import Chunks
from lepton_jlab.data.stream.report import Meter

pytestmark = pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
thorough = settings(
    derandomize=True, deadline=None, max_examples=100, suppress_health_check=list(HealthCheck)
)


def read_all(chunks: Chunks, meter: Meter) -> list[Any]:
    parts = []
    for number in range(-(-chunks.shape[0] // chunks.length)):
        if chunks.raw:
            out = np.empty((chunks.length, *chunks.shape[1:]), chunks.dtype)
            chunks.load(number, out, meter)
            parts.append(out[: chunks.rows(number)])
        else:
            parts.append(chunks.read(number, meter))
    return parts


@thorough
@given(way=ways(), in_memory=st.booleans())
def test_chunks_are_what_zarr_python_reads_and_decoded_here_where_that_is_claimed(
    way: Way, in_memory: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = MemoryStore() if in_memory else folder
        group = zarr.create_group(store, zarr_format=way.zarr_format)
        expected = way.write(group, "values")
        chunks, meter = Chunks("values", group["values"]), Meter()
        parts = read_all(chunks, meter)
    assert as_bytes(np.concatenate(parts)) == as_bytes(expected)
    assert {part.dtype for part in parts} == {chunks.dtype}
    assert chunks.dtype.kind in "TO" or chunks.dtype.isnative
    assert chunks.fast is way.fast
    assert meter["decoded"] >= expected.nbytes


def test_chunks_in_a_zip_file_are_read(tmp_path: Path) -> None:
    values = np.arange(100).reshape(50, 2)
    with ZipStore(tmp_path / "a.zip", mode="w") as store:
        zarr.create_group(store).create_array("a", data=values, chunks=(3, 2), shards=(12, 2))
    with ZipStore(tmp_path / "a.zip", mode="r") as store:
        chunks = Chunks("a", zarr.open_group(store, mode="r")["a"])
        assert chunks.fast
        assert np.array_equal(np.concatenate(read_all(chunks, Meter())), values)
