"""How a dataset goes through a model: which samples are read, asked and written together.

The plan depends on what is stored and on nothing else, not on time or on how many take part; so
what was computed before a kill and after it fits together to the bit.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.store import is_url
from lepton_jlab.errors import DataError, UsageError
from lepton_jlab.models.feeding import check_columns, columns_of

if TYPE_CHECKING:
    from lepton_jlab.data import Dataset
    from lepton_jlab.data.column import Column
    from lepton_jlab.models.version import Tensor, Version

PIECE_BYTES = 16 << 20  # of inputs, about: written, and noted as done, together
BLOCK_BYTES = 8 << 20  # of inputs, about: read together; two are in memory
BATCH_BYTES = 16 << 20  # of inputs as the model takes them: asked together
BATCH = 1024  # samples, at most: from there on nothing gets faster, and activations take memory


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done with `samples` samples.

    Attributes
    ----------
    piece, block, batch
        Samples that are written, read and asked together. A piece is whole files of the result.
    chunk, shard
        How the result is cut, along the axis of samples.
    """

    samples: int
    piece: int
    block: int
    batch: int
    chunk: int
    shard: int | None

    @property
    def pieces(self) -> range:
        """The first sample of each piece."""
        return range(0, self.samples, self.piece)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def columns_for(version: Version, dataset: Dataset) -> dict[str, Column]:
    """Return the arrays that the model takes, by input name.

    Raises
    ------
    DataError
        If one is missing or does not fit.
    """
    found: Any = columns_of(dataset, version.raw_inputs).columns
    if not found or not len(dataset):
        raise DataError(f"{dataset.path} has no samples.")
    if recipe_of(version, dataset) is None:
        check_columns(found, version.inputs, dataset.path)
    return dict(found)


def recipe_of(version: Version, dataset: Dataset) -> Any:
    """Return what prepares the samples: the model's recipe, else that of the dataset, or None."""
    return version.recipe or getattr(dataset, "recipe", None) or None


def make_plan(version: Version, columns: Mapping[str, Column], batch: int | None) -> Plan:
    """Decide it by the arrays as they are stored, and by what the model takes."""
    leader = max(columns.values(), key=lambda column: column.nbytes)
    samples = len(leader)
    sample = max(1, sum(column.nbytes for column in columns.values()) // samples)
    chunk = min(int(leader.zarr.chunks[0]), samples)
    shards = leader.zarr.shards
    shard = int(shards[0]) if shards else None
    together = min(shard or chunk, samples)
    piece = max(1, PIECE_BYTES // (sample * together)) * together
    block = max(1, BLOCK_BYTES // (sample * chunk)) * chunk
    if batch is None:
        batch = min(BATCH, max(1, BATCH_BYTES // _taken_bytes(version.inputs, sample)))
    elif batch < 1:
        raise UsageError(f"--batch {batch}: it must be 1 or more.")
    return Plan(samples, piece, min(block, piece), min(batch, block, piece), chunk, shard)


def _taken_bytes(inputs: list[Tensor], stored: int) -> int:
    """Return the bytes of a sample as the model takes it; at least those that are stored."""
    known = 0
    for tensor in inputs:
        sizes = tensor["shape"][1:]
        if tensor["dtype"] != "string" and None not in sizes:
            known += math.prod(s or 1 for s in sizes) * np.dtype(tensor["dtype"]).itemsize
    return max(known, stored)


def answer_shapes(version: Version, columns: Mapping[str, Column]) -> dict[str, tuple[int, ...]]:
    """Return the shape of the answer to one sample, by output name.

    Raises
    ------
    DataError
        If it depends on the sample.
    """
    known = version.samples
    shapes: dict[str, tuple[int, ...]] = {}
    for tensor in version.outputs:
        rest = tensor["shape"][1:]
        if None in rest:
            seen = known.raw or known.inputs
            same = all(
                tuple(seen[name].shape[1:]) == tuple(column.shape[1:])
                for name, column in columns.items()
            )
            if not same:
                raise DataError(
                    f"The shape of the answer {tensor['name']!r} of {version} depends on the size "
                    "of its input. Save the model with samples of this size: --samples DATASET"
                )
            rest = list(known.outputs[tensor["name"]].shape[1:])
        if tensor["dtype"] == "string":
            raise DataError(f"{version} answers texts ({tensor['name']!r}), which are not written.")
        shapes[tensor["name"]] = tuple(size or 1 for size in rest)
    return shapes


def fingerprint(dataset: Dataset, columns: Mapping[str, Column]) -> str:
    """Return a digest of what is read: of metadata, names, sizes and times of change of files.

    Of a dataset behind a URL, or in a zip file, the metadata and two samples count.
    """
    digest = hashlib.sha256()
    for name, column in columns.items():
        array = column.zarr
        digest.update(
            repr((name, array.shape, str(array.dtype), array.metadata.to_dict())).encode()
        )
        place = None if is_url(dataset.path) else Path(dataset.path, array.path.rpartition("/")[2])
        if place is not None and place.is_dir():
            for found in _files(place):
                digest.update(repr(found).encode())
        else:  # behind a URL, or in a zip file
            for row in (0, len(column) - 1):
                digest.update(repr(column[row : row + 1].tolist()).encode())
    digest.update(repr(dataset.split_of).encode())
    return digest.hexdigest()


def _files(path: Path) -> list[tuple[str, int, int]]:
    found = []
    for folder, _, names in os.walk(path):
        for name in names:
            status = Path(folder, name).stat()
            place = os.path.relpath(os.path.join(folder, name), path)  # noqa: PTH118
            found.append((place, status.st_size, status.st_mtime_ns))
    return sorted(found)
