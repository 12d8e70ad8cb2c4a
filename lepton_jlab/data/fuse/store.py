"""A Zarr store of a fused dataset: its chunks are made of those of its sources when they are read.

The folder holds a group whose attribute ``lepton.fused`` says what is made of what. Here it gets
arrays, with chunks as long as those of its largest source, so that whoever reads a Zarr array, by
chunk or by sample, reads it like any other.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

from lepton_jlab.data.fuse.rows import unpacked
from lepton_jlab.data.prepare.recipe import Recipe
from lepton_jlab.data.store import is_url, is_zarr
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.dataset import Dataset

VERSION = 1
TEXT = "string"


class FusedStore(Store):
    """Reads a fused dataset.

    Parameters
    ----------
    where
        Its folder, from which the addresses of its sources are found.
    attributes
        Those of its group.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True
    supports_consolidated_metadata = False

    def __init__(self, where: str, attributes: Mapping[str, Any]) -> None:
        super().__init__(read_only=True)
        self.where = where
        self.attributes = dict(attributes)
        fused = self.attributes["lepton"]["fused"]
        if fused.get("version") != VERSION:
            raise DataError(f"{where} was fused by a newer Lepton; update this one.")
        self._arrays: dict[str, Any] = fused["arrays"]
        self._listed: list[dict[str, Any]] = fused["sources"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FusedStore) and other.where == self.where

    def __hash__(self) -> int:
        return hash(self.where)

    def __repr__(self) -> str:
        return f"FusedStore({self.where!r})"

    def __str__(self) -> str:
        return self.where

    def __reduce__(self) -> tuple[Any, ...]:
        return FusedStore, (self.where, self.attributes)

    # ---- what it is made of

    @cached_property
    def sources(self) -> list[Dataset]:
        """The datasets it consists of, as they are.

        Raises
        ------
        DataError
            If one of them is gone, or has another number of samples than when it was fused.
        """
        return [self._opened(source) for source in self._listed]

    @cached_property
    def _rows(self) -> list[NDArray[np.int64] | None]:
        return [None if s["rows"] is None else unpacked(s["rows"]) for s in self._listed]

    @cached_property
    def _recipes(self) -> dict[tuple[str, int], Recipe]:
        return {
            (name, piece["source"]): Recipe.from_dict({"recipe": 1, "steps": {"x": piece["steps"]}})
            for name, array in self._arrays.items()
            for piece in array["pieces"]
        }

    def _opened(self, source: Mapping[str, Any]) -> Dataset:
        from lepton_jlab.data.dataset import open_dataset

        path = str(source["path"])
        if not is_url(path):
            beside = Path(os.path.normpath(Path(self.where).parent / source["relative"]))
            path = str(beside) if is_zarr(beside) else path
        try:
            dataset = open_dataset(path)
        except DataError:
            raise
        except LookupError as error:
            raise DataError(
                f"{self.where} is fused of {path}, which is not there any more. Put it back, or "
                "fuse again."
            ) from error
        if len(dataset) != source["samples"]:
            raise DataError(
                f"{self.where} was fused when {path} had {source['samples']:,} samples; now it has "
                f"{len(dataset):,}. Fuse again."
            )
        return dataset

    # ---- chunks

    def read(self, key: str, wanted: ByteRequest | None = None) -> bytes | None:
        """Return what is stored under `key`, or a part of it, or None."""
        name, _, rest = key.rpartition("zarr.json")
        if key.endswith("zarr.json") and not rest:
            document = self._document(name.rstrip("/"))
            return None if document is None else _part(json.dumps(document).encode(), wanted)
        name, _, place = key.partition("/c/")
        number = place.partition("/")[0]
        if name not in self._arrays or not number.isdecimal():
            return None
        return _part(self._chunk(name, int(number)), wanted)

    def _chunk(self, name: str, number: int) -> bytes:
        array = self._arrays[name]
        length, shape = array["chunk"], array["shape"]
        start = number * length
        values = self.values(name, start, min(start + length, shape[0]))
        if array["dtype"] == TEXT:
            from numcodecs import VLenUTF8

            texts = np.full((length, *shape[1:]), "", object)
            texts[: len(values)] = values.astype(object)
            return bytes(VLenUTF8().encode(texts))
        whole = np.zeros((length, *shape[1:]), np.dtype(array["dtype"]).newbyteorder("<"))
        whole[: len(values)] = values
        return whole.tobytes()

    def values(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Return samples of an array, each source's brought into the common form."""
        parts: list[NDArray[Any]] = []
        first = 0
        for piece in self._arrays[name]["pieces"]:
            source = piece["source"]
            rows = self._rows[source]
            count = self._listed[source]["samples"] if rows is None else len(rows)
            begin, end = max(0, start - first), min(count, stop - first)
            first += count
            if begin < end:
                parts.append(self._values(name, piece, begin, end))
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def _values(self, name: str, piece: Mapping[str, Any], begin: int, end: int) -> NDArray[Any]:
        source, array = piece["source"], piece["array"]
        rows = self._rows[source]
        own = np.arange(begin, end) if rows is None else rows[begin:end]
        if array is None:
            return np.full(len(own), source) if piece["what"] == "source" else own
        column = self.sources[source].arrays[array]
        values = column.read(begin, end) if rows is None else column[own]
        made: NDArray[Any] = self._recipes[name, source](values)
        return made

    def _document(self, name: str) -> dict[str, Any] | None:
        if not name:
            return {"zarr_format": 3, "node_type": "group", "attributes": self.attributes}
        if name not in self._arrays:
            return None
        array = self._arrays[name]
        text = array["dtype"] == TEXT
        last = {"name": "vlen-utf8"} if text else _LITTLE
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": array["shape"],
            "data_type": array["dtype"],
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": [array["chunk"], *array["shape"][1:]]},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": "" if text else (False if array["dtype"] == "bool" else 0),
            "codecs": [last],
            "dimension_names": array["dims"],
            "attributes": array["attributes"],
        }

    # ---- what a Zarr store has to do

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return what is stored under `key`."""
        found = await asyncio.to_thread(self.read, key, byte_range)  # it reads Zarr itself
        return None if found is None else prototype.buffer.from_bytes(found)

    async def get_partial_values(self, prototype: BufferPrototype, key_ranges: Any) -> Any:
        """Return parts of what is stored under several keys."""
        return [await self.get(key, prototype, wanted) for key, wanted in key_ranges]

    async def exists(self, key: str) -> bool:
        """Whether there is such a key."""
        if key.endswith("zarr.json"):
            return self._document(key.removesuffix("zarr.json").rstrip("/")) is not None
        return key.partition("/c/")[0] in self._arrays

    async def set(self, key: str, value: Buffer) -> None:  # noqa: ARG002
        """Refuse to write."""
        raise DataError(f"{self.where} is fused of other datasets: it has no place for {key}.")

    async def delete(self, key: str) -> None:
        """Refuse to delete."""
        raise DataError(f"{self.where} is fused of other datasets: {key} is not its own.")

    async def getsize_prefix(self, prefix: str) -> int:
        """Refuse to say: nothing is stored."""
        raise NotImplementedError(prefix)

    async def list(self) -> AsyncIterator[str]:
        """Yield the keys of what is described."""
        for name in ("", *self._arrays):
            yield f"{name}/zarr.json".lstrip("/")

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield those that begin so."""
        async for key in self.list():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield names in a folder."""
        if not prefix.strip("/"):
            for name in ("zarr.json", *self._arrays):
                yield name


_LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


def _part(data: bytes, wanted: ByteRequest | None) -> bytes:
    if isinstance(wanted, RangeByteRequest):
        return data[wanted.start : wanted.end]
    if isinstance(wanted, OffsetByteRequest):
        return data[wanted.offset :]
    if isinstance(wanted, SuffixByteRequest):
        return data[-wanted.suffix :]
    return data


def unfolded(node: Any, where: str) -> Any:
    """Return a group with the arrays that the attributes of `node` describe."""
    import zarr

    return zarr.open_group(FusedStore(where, node.attrs.asdict()), mode="r")
