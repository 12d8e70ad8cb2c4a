"""Mean, width and limits of an array, in one pass; kept in the attributes of its dataset."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.attributes import amend, entry
from lepton_jlab.data.parallel import Parallel, Piece, Progress, pieces_of, threaded, told
from lepton_jlab.data.store import is_url
from lepton_jlab.errors import DataError, LeptonError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.dataset import Dataset

BLOCK = 4096  # rows added up at a time, so that they stay in the cache


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of the finite values, for each place of the last axis or for all together.

    Attributes
    ----------
    samples
        How many samples there are.
    count
        Finite values; of which `mean`, `std`, `minimum` and `maximum` tell.
    missing
        Values that are NaN or infinite.
    missing_samples
        In how many samples there is one.
    """

    samples: int
    count: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    missing: int
    missing_samples: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def statistics(
    dataset: Dataset,
    name: str,
    *,
    each: bool | None = None,
    parallel: Parallel = threaded,
    progress: Progress | None = None,
) -> Statistics:
    """Return the statistics of an array; they are looked up where they were taken before.

    Parameters
    ----------
    dataset
        All of it, or a split: a test part must not be looked at.
    name
        Of the array; its values are numbers.
    each
        For each place of the last axis by itself; by default that of features or colours, and
        all together where a sample is a single value.

    Raises
    ------
    UsageError
        If the values are no real numbers.
    """
    column = dataset.arrays[name]
    if column.dtype.kind not in "biuf":
        raise UsageError(f"{name!r} holds {column.dtype}: statistics are of real numbers.")
    each = column.ndim > 1 if each is None else each
    key = _key(dataset, name, each)
    kept = dataset._schema.get("statistics", {}).get(key) if key else None
    if kept is not None:
        known: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()}
        return Statistics(**known)
    pieces = pieces_of(dataset, name)
    work = parallel(partial(_sums, name=name, each=each), pieces)
    sums: _Sums | None = None
    for one in told(work, pieces, progress, f"statistics of {name}"):
        sums = one if sums is None else sums.merged(one)
    if sums is None:
        raise DataError(f"{dataset.path} has no samples to take statistics of.")
    made = sums.statistics()
    if key:
        with suppress(LeptonError):  # where attributes cannot be written they go with the recipe
            amend(dataset._where, dataset._inner, lambda schema: _keep(schema, name, key, made))
    return made


@dataclass(slots=True)
class _Sums:
    """Sums of a stretch, from which those of two together can be made (Chan et al. 1979)."""

    samples: int
    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]  # of the distances from the mean
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    missing: int
    missing_samples: int

    def merged(self, other: _Sums) -> _Sums:
        count = self.count + other.count
        some = np.maximum(count, 1)
        apart = other.mean - self.mean
        return _Sums(
            self.samples + other.samples,
            count,
            self.mean + apart * other.count / some,
            self.squares + other.squares + apart**2 * self.count * other.count / some,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.missing + other.missing,
            self.missing_samples + other.missing_samples,
        )

    def statistics(self) -> Statistics:
        none = self.count == 0  # a column of nothing but NaN
        std = np.sqrt(self.squares / np.maximum(self.count, 1))
        return Statistics(
            self.samples,
            tuple(self.count.astype(int).tolist()),
            tuple(self.mean.tolist()),
            tuple(std.tolist()),
            tuple(np.where(none, 0, self.low).tolist()),
            tuple(np.where(none, 0, self.high).tolist()),
            self.missing,
            self.missing_samples,
        )


def _sums(piece: Piece, name: str, each: bool) -> _Sums:
    values = piece.read(name)
    flat = values.reshape(-1, values.shape[-1] if each and values.ndim > 1 else 1)
    per_sample = len(flat) // max(1, len(values))
    sums: _Sums | None = None
    for start in range(0, len(flat), BLOCK):
        one = _block(flat[start : start + BLOCK].astype(np.float64))
        sums = one if sums is None else sums.merged(one)
    assert sums is not None
    sums.samples = len(values)
    if sums.missing:
        bad = ~np.isfinite(flat).all(axis=1)
        sums.missing_samples = int(bad.reshape(len(values), per_sample).any(axis=1).sum())
    return sums


def _block(block: NDArray[np.float64]) -> _Sums:
    mean = block.mean(axis=0)
    if np.isfinite(mean).all():
        count = np.full(block.shape[1], float(len(block)))
        squares = ((block - mean) ** 2).sum(axis=0)
        return _Sums(0, count, mean, squares, block.min(axis=0), block.max(axis=0), 0, 0)
    finite = np.isfinite(block)
    count = finite.sum(axis=0).astype(np.float64)
    mean = np.where(finite, block, 0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(finite, block - mean, 0) ** 2
    low = np.where(finite, block, np.inf).min(axis=0)
    high = np.where(finite, block, -np.inf).max(axis=0)
    missing = int(block.size - count.sum())
    return _Sums(0, count, mean, squares.sum(axis=0), low, high, missing, 0)


def _keep(schema: dict[str, Any], name: str, key: str, made: Statistics) -> None:
    schema.setdefault("statistics", {})[key] = made.to_dict()
    schema.setdefault("history", []).append(entry("statistics", array=name))


def _key(dataset: Dataset, name: str, each: bool) -> str | None:
    """Return what the statistics depend on, in short: the split, and the files of the array."""
    folder = Path(dataset.path) / name
    if is_url(dataset.path) or not folder.is_dir():
        return None
    digest = hashlib.sha256(json.dumps([dataset.split_of, each]).encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            told = path.stat()
            about = (str(path.relative_to(folder)), told.st_size, told.st_mtime_ns)
            digest.update(repr(about).encode())
    return f"{name}:{digest.hexdigest()[:16]}"
