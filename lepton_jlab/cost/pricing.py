"""From what a run has used to what it has cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lepton_jlab.cost.prices import Prices

Cost = dict[str, Any]

WH = 3600.0  # joules
MEASURED, ESTIMATED = "measured", "estimated"


def priced(used: Mapping[str, Any], prices: Prices) -> Cost:
    """Return what is to be paid for what an `Account` has used.

    Returns
    -------
    dict
        ``energy_wh``; ``energy``: ``"measured"``, or ``"estimated"`` where any part is;
        ``money``, ``currency``; ``parts``: ``cpu`` and each GPU by UUID, with ``energy_wh``,
        ``energy``, ``money``, ``hours`` (of a core, of the device), and a GPU's ``name``.

    Examples
    --------
    >>> cpu = {"core_seconds": 7200.0, "joules": None}
    >>> cost = priced({"seconds": 3600, "cpu": cpu, "gpus": {}}, Prices(electricity=0.25))
    >>> cost["energy_wh"], cost["energy"], cost["money"]
    (16.0, 'estimated', 0.004)
    """
    cpu = used["cpu"]
    hours, joules = cpu["core_seconds"] / 3600, cpu["joules"]
    measured = joules is not None
    energy = joules / WH if measured else hours * prices.core_watts
    parts = {"cpu": _part(energy, measured, hours, prices.core_hour, prices)}
    for uuid, gpu in used["gpus"].items():
        hours, measured = gpu["seconds"] / 3600, gpu["how"] in ("counter", "power")
        energy = gpu["joules"] / WH if gpu["how"] else hours * prices.gpu_watts
        part = _part(energy, measured, hours, prices.hour_of(gpu["name"]), prices)
        parts[uuid] = {"name": gpu["name"], **part}
    return _summed(parts, prices.currency)


def together(costs: Iterable[Cost]) -> Cost | None:
    """Return the sum of costs, part by part; None of nothing. The last currency stands for all."""
    parts: dict[str, dict[str, Any]] = {}
    currency = None
    for cost in costs:
        currency = cost["currency"]
        for name, part in cost["parts"].items():
            sums = parts.get(name)
            if sums is None:
                parts[name] = dict(part)
                continue
            for key in ("energy_wh", "money", "hours"):
                sums[key] += part[key]
            if part["energy"] == ESTIMATED:
                sums["energy"] = ESTIMATED
    return None if currency is None else _summed(parts, currency)


def _part(energy: float, measured: bool, hours: float, hour: float, prices: Prices) -> Cost:
    return {
        "energy_wh": energy,
        "energy": MEASURED if measured else ESTIMATED,
        "money": energy / 1000 * prices.electricity + hours * hour,
        "hours": hours,
    }


def _summed(parts: dict[str, dict[str, Any]], currency: str) -> Cost:
    ways = {part["energy"] for part in parts.values()}
    return {
        "energy_wh": sum(part["energy_wh"] for part in parts.values()),
        "energy": ESTIMATED if ESTIMATED in ways else MEASURED,
        "money": sum(part["money"] for part in parts.values()),
        "currency": currency,
        "parts": parts,
    }
