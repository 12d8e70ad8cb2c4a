"""The metadata documents of a Zarr v3 dataset: which codecs it has, and would have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lepton_jlab.data.codecs import CODECS, Codec
from lepton_jlab.data.tiers.homes import Home

Codecs = list[dict[str, Any]]  # as in a Zarr v3 metadata document

_TO_BYTES = ("bytes", "vlen-utf8", "vlen-bytes")
_CHECKSUM = {"name": "crc32c"}


@dataclass(frozen=True, slots=True)
class Change:
    """An array that gets other codecs.

    Attributes
    ----------
    path
        Of the array in its dataset; ``""`` if it is all there is.
    old, new
        Its codecs, those of shards around those of chunks.
    """

    path: str
    old: Codecs
    new: Codecs


def changes(home: Home, codec: str, warm: Mapping[str, Codecs]) -> list[Change]:
    """Return which arrays would get other codecs.

    Parameters
    ----------
    codec
        A codec's name; ``""`` for those of the import.
    warm
        The codecs of the import by array, as `imported_codecs` returns them.
    """
    found = []
    for path, document in home.documents():
        if document["node_type"] == "array" and document["shape"] and 0 not in document["shape"]:
            old = document["codecs"]
            new = _with(old, CODECS[codec], document) if codec else warm.get(path, old)
            if new is not None and new != old:
                found.append(Change(path, old, new))
    return found


def imported_codecs(home: Home, entry: Mapping[str, Any]) -> dict[str, Codecs]:
    """Return the codecs of the import by array: what the last move noted, or those it has."""
    noted = entry.get("warm")
    if isinstance(noted, dict):
        return noted
    return {
        path: document["codecs"]
        for path, document in home.documents()
        if document["node_type"] == "array"
    }


def add_history(document: dict[str, Any], entry: Mapping[str, Any]) -> None:
    """Add an entry to the history in a root's metadata document."""
    schema = document.setdefault("attributes", {}).setdefault("lepton", {})
    known = [{**one} if isinstance(one, dict) else one for one in schema.get("history", [])]
    for one in known:
        if isinstance(one, dict) and one.get("action") == "tier":
            one.pop("warm", None)  # the codecs of the import: once is enough
    schema["history"] = [*known, dict(entry)]


def innermost(codecs: Codecs) -> Codecs:
    """Return the codecs of chunks, those inside shards where there are shards."""
    while codecs and codecs[0]["name"] == "sharding_indexed":
        codecs = codecs[0]["configuration"]["codecs"]
    return codecs


def compresses(codecs: Codecs) -> bool:
    """Whether chunks are compressed."""
    return any(codec["name"] in ("blosc", "zstd", "gzip") for codec in innermost(codecs))


def codec_of(codecs: Codecs) -> Codec | None:
    """Return the codec that a document's codecs are, to try it in memory; None if it is no such."""
    for codec in innermost(codecs):
        how = codec.get("configuration", {})
        if codec["name"] == "blosc" and how["cname"] in ("lz4", "lz4hc", "zstd"):
            return Codec("", "blosc", how["clevel"], how["cname"], how["shuffle"])
        if codec["name"] in ("zstd", "gzip"):
            return Codec("", codec["name"], how["level"])
    names = [codec["name"] for codec in innermost(codecs)]
    return CODECS["none"] if set(names) <= {*_TO_BYTES, "crc32c"} else None


def _with(codecs: Codecs, codec: Codec, document: Mapping[str, Any]) -> Codecs | None:
    """Return `codecs` with another compressor and a checksum; None where that cannot be done."""
    if not codecs:
        return None
    first, *rest = codecs
    if first["name"] == "sharding_indexed":
        how = first["configuration"]
        inner = _with(how["codecs"], codec, document)
        if inner is None or rest or _is_bare(how["codecs"]):
            return None
        return [{**first, "configuration": {**how, "codecs": inner}}]
    place = next((i for i, one in enumerate(codecs) if one["name"] in _TO_BYTES), None)
    if place is None:
        return None
    fixed = codecs[place]["name"] == "bytes"
    return [*codecs[: place + 1], *_compressor(codec, _itemsize(document), fixed), _CHECKSUM]


def _is_bare(codecs: Codecs) -> bool:
    """Whether nothing tells a chunk from other bytes: neither a compressor nor a checksum.

    A reader that still has the old index of a shard would take any bytes for such a chunk.
    """
    return {codec["name"] for codec in codecs} <= {*_TO_BYTES, "transpose"}


def _itemsize(document: Mapping[str, Any]) -> int:
    """Return the bytes of a value, as the old compressor has it, or as the type's name says."""
    for codec in innermost(document["codecs"]):
        if codec["name"] == "blosc":
            return int(codec["configuration"]["typesize"])
    try:
        return int(np.dtype(document["data_type"]).itemsize)
    except (TypeError, ValueError):  # types that NumPy does not know, and texts
        return 1


def _compressor(codec: Codec, itemsize: int, fixed: bool) -> Codecs:
    if codec.family == "blosc":
        how = {
            "typesize": itemsize if fixed else 1,
            "cname": codec.inner,
            "clevel": codec.level,
            "shuffle": codec.shuffle if fixed else "noshuffle",
            "blocksize": 0,
        }
        return [{"name": "blosc", "configuration": how}]
    if codec.family == "zstd":
        return [{"name": "zstd", "configuration": {"level": codec.level, "checksum": False}}]
    if codec.family == "gzip":
        return [{"name": "gzip", "configuration": {"level": codec.level}}]
    return []
