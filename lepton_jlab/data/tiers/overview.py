"""What is known of datasets and their tiers, as figures: bytes, money, and what auto would do."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from lepton_jlab.data.elsewhere import elsewhere
from lepton_jlab.data.store import is_url, is_zarr
from lepton_jlab.data.tiers import accesses, places
from lepton_jlab.data.tiers.accesses import Known
from lepton_jlab.data.tiers.estimate import sizes
from lepton_jlab.data.tiers.homes import home_of
from lepton_jlab.data.tiers.hot_disk import hot_disk
from lepton_jlab.data.tiers.policy import AUTO, Item, assign, monthly_cost, move_cost
from lepton_jlab.data.tiers.prices import Tiers, load_tiers
from lepton_jlab.data.tiers.score import DAY, expected, forecast, score


def figures(path: str) -> dict[str, Any]:
    """Return what ``data info`` says of a dataset's place; nothing for one inside another.

    Returns
    -------
    dict
        ``tier``, ``where`` (folder or URL, None where its name is), ``importance``, ``accesses``
        (decayed), ``score``, ``tier_bytes`` (by tier),
        ``money_per_month`` (storage, and the reading to be expected) and ``currency``.
    """
    own, tiers = places.identity(path), load_tiers()
    known = accesses.known(own)
    said = {"importance": known.importance, "accesses": known.count, "score": known.score}
    if is_url(own) or not is_zarr(Path(own)):
        place = {"tier": places.tier_of(own), "where": None}
        return {**place, **said, "tier_bytes": {}, "money_per_month": None}
    tier, size = places.tier_of(own), home_of(Path(own).resolve()).nbytes
    money = monthly_cost(tiers[tier], size, _rate(known, tiers))
    return {
        "tier": tier,
        "where": _away(Path(own)),
        **said,
        "tier_bytes": {tier: size},
        "money_per_month": money,
        "currency": tiers.currency,
    }


def overview(changed: Mapping[str, Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Return a row for each known dataset that is still there, the highest score first.

    A dataset is known when it was read by batches, or was given an importance or a tier.

    Parameters
    ----------
    changed
        By path, what is to be taken for a dataset's ``importance`` and ``policy`` instead of what
        is recorded, to see what that would do; also makes a dataset known.

    Returns
    -------
    list of dict
        ``path``, ``name``, ``tier``, ``place`` (folder or URL, None where its name is),
        ``policy``, ``importance``, ``accesses`` (decayed), ``last`` (seconds since 1970),
        ``score``, ``bytes``, ``money_per_month``; where the policy would have it, ``to``, and with
        that ``to_bytes``, ``saved_bytes``, ``saved_per_month``, ``move_cost`` (None where it
        stays); ``currency``.
    """
    tiers, other = load_tiers(), dict(changed or {})
    found = {one.path: one for one in accesses.all_known()}
    for path in other:
        found.setdefault(path, Known(path))
    rows: list[dict[str, Any]] = []
    here = []
    for path, known in found.items():
        as_if = replace(known, **{k: v for k, v in other.get(path, {}).items() if v is not None})
        if is_url(path):
            rows.append(_remote(as_if, tiers))
        elif is_zarr(Path(path)):
            here.append(as_if)
    rates = forecast([_rate(one, tiers) for one in here], tiers.doubt)
    items = [_item(one, rate, tiers) for one, rate in zip(here, rates, strict=True)]
    goes = assign(items, tiers)
    for one, item in zip(here, items, strict=True):
        row = _row(one, item, tiers)
        rows.append(row | _change(item, goes[item.name], row, _rate(one, tiers), tiers))
    return sorted(rows, key=lambda row: (-row["score"], row["path"]))


def copies(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return what the hot disk holds; None where the file of tiers asks for none.

    Returns
    -------
    dict
        ``folder``, ``limit``, ``bytes``; ``datasets``: bytes of each that has copies; ``hits``: the
        share of the bytes read lately that came from copies, None if nothing was read.
    """
    disk = hot_disk(load_tiers())
    if disk is None:
        return None
    read, served = 0.0, accesses.from_copies()
    near = 0.0
    for row in rows:
        size = row["bytes"] or disk.kept.get(row["path"], 0)
        near += size * served.get(row["path"], 0.0)
        read += size * (row["accesses"] + served.get(row["path"], 0.0))
    return {
        "folder": disk.folder,
        "limit": disk.limit,
        "bytes": sum(disk.kept.values()),
        "datasets": disk.kept,
        "hits": near / read if read else None,
    }


def totals(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return datasets, bytes and money a month by tier."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["bytes"] is not None:
            sums = found.setdefault(row["tier"], {"datasets": 0, "bytes": 0, "money_per_month": 0})
            sums["datasets"] += 1
            sums["bytes"] += row["bytes"]
            sums["money_per_month"] += row["money_per_month"]
    return found


def _rate(known: Known, tiers: Tiers) -> float:
    """Return how often a dataset will be read in a month, by itself."""
    return expected(known.count, tiers.half_life, known.known_for)


def _item(known: Known, rate: float, tiers: Tiers) -> Item:
    path = Path(known.path)
    entry = places.placed(path)
    days = math.inf
    if "time" in entry:
        days = (time.time() - datetime.fromisoformat(entry["time"]).timestamp()) / DAY
    found = sizes(path, tiers)
    now = str(entry.get("tier", places.WARM))
    policy = known.policy if known.policy == AUTO or known.policy in found else now
    return Item(known.path, now, found, score(rate, known.importance), policy, days)


def _row(known: Known, item: Item, tiers: Tiers) -> dict[str, Any]:
    size = item.sizes[item.tier]
    return {
        **_common(known, tiers),
        "tier": item.tier,
        "place": _away(Path(known.path)),
        "bytes": size,
        "money_per_month": monthly_cost(tiers[item.tier], size, _rate(known, tiers)),
    }


def _away(path: Path) -> str | None:
    """Return the folder of a tier, or the URL, where a dataset is; None where its name is."""
    moved = elsewhere(path)
    if moved is not None:
        return moved.url
    return str(path.resolve()) if path.is_symlink() else None


def _remote(known: Known, tiers: Tiers) -> dict[str, Any]:
    row = {
        **_common(known, tiers),
        "tier": places.REMOTE,
        "place": known.path,
        "bytes": None,
        "money_per_month": None,
    }
    return {**row, "to": None, "to_bytes": None, **_NO_CHANGE}


def _common(known: Known, tiers: Tiers) -> dict[str, Any]:
    return {
        "path": known.path,
        "name": known.path.rpartition("/")[2],
        "policy": known.policy,
        "importance": known.importance,
        "accesses": known.count,
        "last": known.last or None,
        "score": known.score,
        "currency": tiers.currency,
    }


_NO_CHANGE = {"saved_bytes": None, "saved_per_month": None, "move_cost": None}


def _change(
    item: Item, to: str, row: Mapping[str, Any], rate: float, tiers: Tiers
) -> dict[str, Any]:
    if to == item.tier:
        return {"to": to, "to_bytes": row["bytes"], **_NO_CHANGE}
    size = item.sizes[to]
    money = monthly_cost(tiers[to], size, rate)
    return {
        "to": to,
        "to_bytes": size,
        "saved_bytes": row["bytes"] - size,
        "saved_per_month": row["money_per_month"] - money,
        "move_cost": move_cost(item, tiers[to], tiers),
    }
