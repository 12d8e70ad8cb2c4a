"""What GPUs cost that nothing runs on, and what storage does not cost any more."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from lepton_jlab.cost.prices import Prices

IDLE = 5  # percent of use, below which a GPU does nothing


def idle_gpus(
    devices: Iterable[Mapping[str, Any]],
    last_used: Mapping[str, float],
    last_run: float | None,
    prices: Prices,
) -> list[dict[str, Any]]:
    """Return the GPUs of this machine that rest, and what that has cost since the last run.

    Parameters
    ----------
    devices
        As `lepton_jlab.resources.gpus.Gpus` reads them.
    last_used
        When the last run on a GPU ended, by its UUID; infinity while one runs there.
    last_run
        When the last run of all ended: what holds for a GPU that none has used.

    Returns
    -------
    list of dict
        ``index``, ``uuid``, ``name``, ``since``, ``hours``, ``watts`` (as it rests now),
        ``energy_wh``, ``money``, ``currency``.
    """
    now = time.time()
    found = []
    for device in devices:
        since = last_used.get(device["uuid"], last_run)
        rests = device["use"] is not None and device["use"] < IDLE
        if since is None or since > now or not rests:
            continue
        hours = (now - since) / 3600
        energy = hours * (device["power"] or 0.0)
        found.append(
            {
                **{key: device[key] for key in ("index", "uuid", "name")},
                "since": since,
                "hours": hours,
                "watts": device["power"],
                "energy_wh": energy,
                "money": hours * prices.hour_of(device["name"])
                + energy / 1000 * prices.electricity,
                "currency": prices.currency,
            }
        )
    return found


def saved(folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return what the datasets in a folder do not cost, as they are compressed and shared.

    Returns
    -------
    dict or None
        None where there is no dataset. ``datasets``; bytes and money a month that ``compression``,
        ``deduplication`` and ``tiers`` save, each ``{"bytes", "money_per_month"}`` (a cheaper place
        saves no bytes); ``money_per_month``: their sum; ``currency``.
    """
    from lepton_jlab.data.storage import report
    from lepton_jlab.data.tiers.prices import GB, load_tiers

    total = report(folder)["total"]
    if not total["datasets"]:
        return None
    tiers = load_tiers()
    usual = tiers["warm"].storage
    steps = {
        "compression": total["original_bytes"] - total["compressed_bytes"],
        "deduplication": total["compressed_bytes"] - total["deduplicated_bytes"],
    }
    parts = {
        name: {"bytes": count, "money_per_month": count / GB * usual}
        for name, count in steps.items()
    }
    moved = sum(size / GB * (usual - tiers[tier].storage) for tier, size in total["tiers"].items())
    parts["tiers"] = {"bytes": 0, "money_per_month": moved}
    money = sum(part["money_per_month"] for part in parts.values())
    currency = tiers.currency
    return {
        "datasets": total["datasets"],
        **parts,
        "money_per_month": money,
        "currency": currency,
    }
