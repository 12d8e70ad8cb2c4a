"""Samples that are the same or nearly so: grouped by content, paired by signature, looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.clean import images, texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.column import Column

    Ints = NDArray[np.int64]

PIVOTS = 2048  # at most
PROBES = 4  # cells that a sample is looked for in
MOST = 8  # candidates a sample
CROWD = 16  # texts that share a band are compared with so many that follow in the crowd
BATCH_BYTES = 32 << 20


def first_of_equals(digests: NDArray[np.uint64]) -> Ints:
    """Return for each sample the number of the first with the same digest, itself if it is it."""
    order = np.lexsort(
        (digests[:, 1], digests[:, 0])
    )  # stable; a sort of pairs takes thrice as long
    ordered = digests[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    made = np.empty(len(order), np.int64)
    made[order] = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
    return made


def close_pairs(hashes: NDArray[np.float16], radius: float) -> Ints:
    """Return pairs (earlier, later) of unit vectors closer than `radius`, the closest of each.

    Each is compared with those that share one of its nearest pivots, so that the work grows with
    the square root of their number; a pair is missed where both lie between many pivots.
    """
    count = len(hashes)
    valid = np.flatnonzero(hashes.any(axis=1))
    if len(valid) < 2:
        return np.empty((0, 2), np.int64)
    wanted = min(PIVOTS, max(1, int(np.sqrt(len(valid)))))
    chosen = np.random.default_rng(0).choice(valid, wanted, replace=False)
    pivots = hashes[chosen].astype(np.float32)
    probes = min(PROBES, wanted)
    near = np.empty((len(valid), probes), np.int32)
    for start in range(0, len(valid), 8192):
        likeness = hashes[valid[start : start + 8192]].astype(np.float32) @ pivots.T
        near[start : start + 8192] = np.argpartition(-likeness, probes - 1, axis=1)[:, :probes]
        best = np.take_along_axis(likeness, near[start : start + 8192], axis=1).argmax(axis=1)
        block = near[start : start + 8192]  # the nearest comes first
        rows = np.arange(len(block))
        block[rows, best], block[:, 0] = block[:, 0].copy(), block[rows, best].copy()
    order = np.argsort(near[:, 0], kind="stable")
    bounds = np.searchsorted(near[order, 0], np.arange(wanted + 1))
    asking = np.argsort(near.reshape(-1), kind="stable")
    asked = np.searchsorted(near.reshape(-1)[asking], np.arange(wanted + 1))
    found: list[Ints] = []
    for cell in range(wanted):
        members = valid[order[bounds[cell] : bounds[cell + 1]]]
        seekers = valid[asking[asked[cell] : asked[cell + 1]] // probes]
        found += _within(hashes, seekers, members, radius)
    if not found:
        return np.empty((0, 2), np.int64)
    pairs = np.sort(np.concatenate(found), axis=1)
    keys = np.unique(pairs[:, 0] * count + pairs[:, 1])
    return np.stack([keys // count, keys % count], axis=1)


def _within(
    hashes: NDArray[np.float16], seekers: Ints, members: Ints, radius: float
) -> Iterator[Ints]:
    if not len(members):
        return
    held = hashes[members].astype(np.float32).T
    for start in range(0, len(seekers), 4096):
        some = seekers[start : start + 4096]
        likeness = hashes[some].astype(np.float32) @ held
        likeness[some[:, None] == members] = -1
        if len(members) > MOST:
            places = np.argpartition(-likeness, MOST - 1, axis=1)[:, :MOST]
        else:
            places = np.broadcast_to(np.arange(len(members)), likeness.shape)
        close = np.take_along_axis(likeness, places, axis=1) > 1 - radius**2 / 2
        rows, columns = np.nonzero(close)
        if len(rows):
            yield np.stack([some[rows], members[places[rows, columns]]], axis=1)


def band_pairs(bands: NDArray[np.uint32]) -> Ints:
    """Return pairs (earlier, later) of samples of which two bands of MinHash values agree."""
    count, found = len(bands), []
    for band in bands.T:
        held = np.flatnonzero(band)
        order = held[np.argsort(band[held], kind="stable")]
        keys = band[order]
        for step in range(1, CROWD):
            same = keys[step:] == keys[:-step]
            if not same.any():
                break
            found.append(order[:-step][same] * count + order[step:][same])
    if not found:
        return np.empty((0, 2), np.int64)
    keys, agreed = np.unique(np.concatenate(found), return_counts=True)
    keys = keys[agreed > 1]
    return np.stack([keys // count, keys % count], axis=1)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Candidates to be looked at: places in the columns one after the other."""

    columns: tuple[Column, ...]
    pairs: Ints

    def read(self) -> tuple[Any, Any]:
        """Return the samples on the left and on the right, each once in memory."""
        places, where = np.unique(self.pairs, return_inverse=True)
        parts, start = [], 0
        for column in self.columns:
            own = places[(places >= start) & (places < start + len(column))] - start
            parts.append(column[own])
            start += len(column)
        values = np.concatenate([part for part in parts if len(part)])
        where = where.reshape(self.pairs.shape)
        return values[where[:, 0]], values[where[:, 1]]


def batches(columns: tuple[Column, ...], pairs: Ints) -> list[Pairs]:
    """Cut candidates so that the samples of each batch take about 32 MiB."""
    size = max(1, columns[0].nbytes // max(1, len(columns[0])))
    if columns[0].dtype.kind in "TUSO":
        size = 1 << 10
    step = max(64, BATCH_BYTES // (2 * size))
    return [Pairs(columns, pairs[i : i + step]) for i in range(0, len(pairs), step)]


def image_likeness(batch: Pairs) -> NDArray[np.float64]:
    """Return how alike the images of each pair are, 0 where they are no near duplicates."""
    left, right = batch.read()
    made = np.zeros(len(left))
    for start in range(0, len(left), 512):
        rest = images.unlikeness(left[start : start + 512], right[start : start + 512])
        made[start : start + 512] = np.where(rest <= images.ALIKE, 1 - rest, 0)
    return made


def text_likeness(batch: Pairs) -> NDArray[np.float64]:
    """Return how alike the texts of each pair are, 0 where they are no near duplicates."""
    left, right = batch.read()
    pairs = zip(texts.plain(left), texts.plain(right), strict=True)
    made = np.array([texts.likeness(one, other) for one, other in pairs])
    return np.where(made >= texts.ALIKE, made, 0)
