"""How large a dataset would be with another codec, by a few samples of each array."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.codecs import TEXT_KINDS, Codec, encoder
from lepton_jlab.data.tiers import accesses, documents, places
from lepton_jlab.data.tiers.guarding import state_of
from lepton_jlab.data.tiers.homes import Home, home_of
from lepton_jlab.data.tiers.prices import Tiers, load_tiers
from lepton_jlab.errors import LeptonError

if TYPE_CHECKING:
    import zarr

CHECKSUM = 4  # bytes of each chunk
PLACE = 16  # bytes of each chunk in the index of its shard
SAMPLE = 1 << 20  # bytes, before compression, of each of three places in an array


def sizes(path: Path, tiers: Tiers) -> dict[str, int]:
    """Return the bytes that a dataset has in its tier, and would have in the others.

    What was found is remembered until the dataset changes. Tiers that it cannot have are left out:
    of Zarr v2 all but its own.
    """
    source, now = home_of(path.resolve()), places.tier_of(path)
    known = {now: source.nbytes}
    try:
        warm = documents.imported_codecs(source, places.placed(path))
        state = state_of(path.resolve())
        for name, tier in tiers.tiers.items():
            if name != now:
                found = accesses.estimated(str(path), tier.codec, state)
                if found is None:
                    wanted = documents.changes(source, tier.codec, warm)
                    found = known[now] + sum(_gain(source, change) for change in wanted)
                    accesses.estimate(str(path), tier.codec, state, found)
                known[name] = found
    except LeptonError:
        return {now: known[now]}
    return known


def remember(path: Path, known: Mapping[str, int]) -> None:
    """Take for a dataset that was moved just now what was known of it, so that nothing is asked."""
    tiers, state, now = load_tiers(), state_of(path.resolve()), places.tier_of(path)
    for name, size in known.items():
        if name != now:
            accesses.estimate(str(path), tiers[name].codec, state, size)


def _gain(source: Home, change: documents.Change) -> int:
    """Return how many bytes an array grows by, negative where it shrinks."""
    codec = documents.codec_of(change.new)
    if codec is None:
        return 0
    array = source.array(change.path, "r")
    if np.dtype(array.dtype).kind in TEXT_KINDS or np.dtype(array.dtype).hasobject:
        return 0  # how texts are laid out is the store's affair
    within = f"{change.path}/" if change.path else ""
    stored = sum(size for key, size in source.sizes().items() if key.startswith(within))
    stored -= len(source.read(f"{within}zarr.json"))
    beside = CHECKSUM if array.shards is None else CHECKSUM + PLACE
    return round(_share(array, codec) * array.nbytes) + beside * array.nchunks - stored


def _share(array: zarr.Array[Any], codec: Codec) -> float:
    """Return what is left of the array's samples when they are compressed."""
    values = [np.asarray(array[start : start + count]) for start, count in _stretches(array)]
    encode = encoder(codec, np.dtype(array.dtype))
    encoded = sum(len(encode(np.ascontiguousarray(one))) for one in values)
    return float(encoded) / max(1, sum(one.nbytes for one in values))


def _stretches(array: zarr.Array[Any]) -> list[tuple[int, int]]:
    """Return begin and length of the beginnings of the first, the middle and the last chunk."""
    length, row = array.chunks[0], max(1, array.nbytes // max(1, array.shape[0]))
    last = (array.shape[0] - 1) // length
    chosen = sorted({0, last // 2, max(0, last - 1)})
    count = min(length, max(1, SAMPLE // row))
    return [(number * length, min(count, array.shape[0] - number * length)) for number in chosen]
