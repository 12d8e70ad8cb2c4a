"""The three tiers: where each lives, its codec, and its prices, from the user's file.

The file is ``lepton_tiers.toml`` in a Jupyter configuration folder; its defaults are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lepton_jlab.config import read_toml, user_file
from lepton_jlab.data.codecs import CODECS, codec_named
from lepton_jlab.errors import LeptonError, UsageError, suggestion
from lepton_jlab.sizes import parse_bytes

FILE = "lepton_tiers.toml"
NAMES = ("hot", "warm", "cold")
GB = 1e9  # bytes, as prices are quoted
SCHEMES = ("s3", "gs", "gcs")  # of object stores that can be written


@dataclass(frozen=True, slots=True)
class Tier:
    """One of hot, warm and cold.

    Attributes
    ----------
    name
        ``"hot"``, ``"warm"`` or ``"cold"``.
    codec
        What its datasets are written with; ``""`` is the codec that they were imported with.
    folder
        Where they lie; None is beside their names, so that only the codec changes.
    url
        Where they lie in an object store, ``s3://bucket/prefix``; "" for no such.
    capacity
        Bytes that auto may keep here; None for no limit.
    storage
        Price of a GB kept for a month (30 days).
    read, write
        Price of a GB read from it or written to it, in stored bytes: what the store asks, and the
        time of the machine that waits and encodes.
    minimum_days
        Leaving earlier costs the storage of these days, as object stores have it.
    """

    name: str
    codec: str = ""
    folder: Path | None = None
    url: str = ""
    capacity: int | None = None
    storage: float = 0.08
    read: float = 0.0002
    write: float = 0.0004
    minimum_days: float = 0.0


# A cloud's general disk at 0.08 a GB-month. Reading and writing: a machine of 1.00 an hour that
# decodes and encodes on two cores, by docs/streaming.md: lz4 at 3 GB/s, zstd at 1.5, 9 at 1; it
# encodes 2 GB/s, 0.7 GB/s and 70 MB/s.
DEFAULTS = {
    "hot": Tier("hot", codec="blosc-lz4", read=0.0001, write=0.00015),
    "warm": Tier("warm", read=0.0002, write=0.0004),
    "cold": Tier("cold", codec="blosc-zstd-9", read=0.0003, write=0.004),
}


@dataclass(frozen=True, slots=True)
class Disk:
    """A fast disk for copies of what is read from slower places.

    Attributes
    ----------
    size
        Bytes that they may take.
    folder
        Where they are; None: that of the cache of remote datasets.
    """

    size: int
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Tiers:
    """All that decides where datasets are kept.

    Attributes
    ----------
    tiers
        By name, from fast to cheap.
    currency
        Of all prices, a word for people.
    half_life_days
        After so many days an access counts half.
    horizon_days
        A move must pay for itself within so many days.
    doubt
        How far the forecast for each dataset is drawn to the mean of all, from 0 to 1.
    hot_disk
        Where copies of what is read are kept; None for no copies.
    """

    tiers: Mapping[str, Tier]
    currency: str = "USD"
    half_life_days: float = 60.0  # these three by the simulated month, benchmarks/tiers.py
    horizon_days: float = 60.0
    doubt: float = 0.6
    hot_disk: Disk | None = None

    def __getitem__(self, name: str) -> Tier:
        return self.tiers[name]

    @property
    def half_life(self) -> float:
        """Seconds after which an access counts half."""
        return self.half_life_days * 86_400


def price_file() -> Path:
    """Return the user's file, or where it would be."""
    return user_file(FILE)


def load_tiers() -> Tiers:
    """Return the tiers as the user's file has them, with the defaults for what it does not say.

    Raises
    ------
    UsageError
        If the file is not TOML, or says something that is not known; the message names the place.
    """
    path = price_file()
    document = read_toml(path)
    plain = {field.name for field in fields(Tiers)} - {"tiers", "hot_disk"}
    said: dict[str, Any] = {}
    tiers = dict(DEFAULTS)
    for key, value in document.items():
        if key in NAMES and isinstance(value, dict):
            tiers[key] = _tier(path, DEFAULTS[key], value)
        elif key == "hot_disk" and isinstance(value, dict):
            said[key] = _disk(path, value)
        elif key == "currency" and isinstance(value, str):
            said[key] = value
        elif key in plain - {"currency"}:
            said[key] = _number(path, key, value, above=-1.0 if key == "doubt" else 0.0)
        else:
            near = suggestion(key, [*plain, *NAMES, "hot_disk"])
            raise UsageError(
                f"{path}: {key!r} is not known.{near} It may have {', '.join(sorted(plain))}, and "
                "the tables [hot], [warm], [cold] and [hot_disk]."
            )
    if said.get("doubt", 0.0) > 1:
        raise UsageError(f"{path}: doubt is {said['doubt']:g}; it must be from 0 to 1.")
    return Tiers(tiers, **said)


def _disk(path: Path, table: Mapping[str, Any]) -> Disk:
    for key in table:
        if key not in ("size", "folder"):
            near = suggestion(key, ["size", "folder"])
            raise UsageError(
                f"{path}: 'hot_disk.{key}' is not known.{near} It has size and folder."
            )
    if "size" not in table:
        raise UsageError(f'{path}: hot_disk has no size; say how much it may take: size = "200GB"')
    place = _place(path, "hot_disk.folder", table.get("folder", ""))
    if place["url"]:
        raise UsageError(f"{path}: hot_disk.folder is {place['url']}; give a folder on a disk.")
    return Disk(parse_bytes(table["size"], f"{path}: hot_disk.size"), place["folder"])


def _tier(path: Path, default: Tier, table: Mapping[str, Any]) -> Tier:
    known = {field.name for field in fields(Tier)} - {"name", "url"}
    changes: dict[str, Any] = {}
    for key, value in table.items():
        where = f"{default.name}.{key}"
        if key not in known:
            near = suggestion(key, known)
            raise UsageError(
                f"{path}: {where!r} is not known.{near} A tier has {', '.join(sorted(known))}."
            )
        if key == "codec":
            changes[key] = _codec(path, where, value)
        elif key == "folder":
            changes |= _place(path, where, value)
        elif key == "capacity":
            changes[key] = parse_bytes(value, f"{path}: {where}")
        else:
            changes[key] = _number(path, where, value)
    return replace(default, **changes)


def _codec(path: Path, where: str, value: Any) -> str:
    if value == "":
        return ""
    try:
        codec = codec_named(str(value))
    except LeptonError as error:
        raise UsageError(f"{path}: {where}: {error}") from None
    if not codec.portable:
        names = ", ".join(name for name, one in CODECS.items() if one.portable)
        raise UsageError(
            f"{path}: {where}: other tools do not read {value}; choose one of {names}."
        )
    return codec.name


def _place(path: Path, where: str, value: Any) -> dict[str, Any]:
    """Return the folder, or the URL, in which a tier lives."""
    if value == "":
        return {"folder": None, "url": ""}
    text = str(value).removeprefix("file://")
    scheme, is_url, rest = text.partition("://")
    if is_url:
        if scheme not in SCHEMES or not rest.strip("/"):
            raise UsageError(
                f"{path}: {where} is {value!r}; a tier lives in a folder, or in s3://BUCKET/PREFIX "
                "or gs://BUCKET/PREFIX. Mount others (rclone mount), and give the folder."
            )
        return {"folder": None, "url": text.rstrip("/")}
    folder = Path(text).expanduser()
    if not isinstance(value, str) or not folder.is_absolute():
        raise UsageError(f"{path}: {where} is {value!r}; give the whole path, from the root on.")
    return {"folder": folder, "url": ""}


def _number(path: Path, where: str, value: Any, above: float = -1.0) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    if not usable or not max(above, -1e-300) < value < float("inf"):
        least = "more than 0" if above >= 0 else "0 or more"
        raise UsageError(f"{path}: {where} is {value!r}; it must be a number, {least}.")
    return float(value)
