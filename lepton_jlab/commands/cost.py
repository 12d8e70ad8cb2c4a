"""`cost`: what runs have cost, what is wasted, and what is saved."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import lepton_jlab as lepton
from lepton_jlab.commands.result import Context, Result, action, spoken
from lepton_jlab.cost import amounts
from lepton_jlab.errors import LeptonError

if TYPE_CHECKING:
    from lepton_jlab.runs.views.table import Table

_SHOWN = 40  # rows, the newest; --json has them all
_RATES = {"per_epoch": "an epoch", "per_point": "a point", "per_1000": "1,000 predictions"}


@action("cost")
def cost(args: Namespace, context: Context) -> Result:
    """Show what runs cost."""
    from lepton_jlab.cost.prices import load_prices, price_file
    from lepton_jlab.runs.views import page

    load_prices()  # an error in the file is news here
    found = lepton.costs(args.id, by=args.by, days=args.days)
    found["endpoints"] = _endpoints()
    found["prices"] = str(price_file())
    notes = [*_notes(found)]
    if not price_file().exists():
        notes.append(f"Prices are defaults; yours go into {price_file()}.")
    notes = [spoken(note, context.place) for note in notes]
    if not found["rows"]:
        hint = spoken("No run has cost anything yet. Start one: %%lepton run", context.place)
        lines = [hint, *notes]
        return Result(lambda: found, "\n".join(lines), page.frame(*map(page.note, lines)))
    table = _table(found, args.by)
    text = "\n".join([table.text(), *notes])
    return Result(lambda: found, text, page.frame(table.html(), *map(page.note, notes)))


def _endpoints() -> list[dict[str, Any]]:
    """Return what the endpoints that answer have cost, with their names."""
    found = []
    for endpoint in lepton.endpoints():
        with suppress(LeptonError, KeyError):
            found.append({"name": endpoint.name, **endpoint.info()["cost"]})
    return found


def _table(found: Mapping[str, Any], by: str) -> Table:
    from lepton_jlab.runs import words
    from lepton_jlab.runs.views.table import Cell, Table

    rows = found["rows"][-_SHOWN:]
    more = [name for name in _RATES if any(row[name] for row in rows)]
    header = [by, "name", "runs", "time", "energy", "", "money", *(_RATES[name] for name in more)]
    table = Table(header, frozenset(range(2, len(header))) - {5})
    totals = [{"key": "all", **found["total"], "name": None}] if len(found["rows"]) > 1 else []
    for row in [*rows, *totals]:
        name = row["name"] if row["name"] != row["key"] else None
        told = [row["key"], name or "", str(row["runs"]), words.duration(row["seconds"])]
        told += [amounts.energy(row["energy_wh"]), row["energy"]]
        told += [amounts.money(row["money"], row["currency"])]
        for rate in more:
            told.append(amounts.money(row[rate]["money"], "").strip() if row[rate] else "")
        table.rows.append([Cell(text) for text in told])
    return table


def _notes(found: Mapping[str, Any]) -> list[str]:
    from lepton_jlab.runs import words

    notes = []
    if len(found["rows"]) > _SHOWN:
        notes.append(f"… {len(found['rows']) - _SHOWN:,} older: --json has them all")
    if known := found["estimates"]:
        error, runs = known["typical_error"], known["runs"]
        notes.append(f"Estimates before a run were {error:.0%} off (median of {runs:,}).")
    for one in found["endpoints"]:
        told = f"Endpoint {one['name']}: {amounts.cost_text(one)}"
        if per := one["per_1000"]:
            money = amounts.money(per["money"], one["currency"])
            told += f"; {amounts.energy(per['energy_wh'])}, {money} for 1,000 predictions"
        notes.append(f"{told}.")
    for gpu in found["idle"]:
        money = amounts.money(gpu["money"], gpu["currency"])
        wasted = f"{money}, {amounts.energy(gpu['energy_wh'])}"
        since = words.duration(time.time() - gpu["since"])
        notes.append(
            f"GPU {gpu['index']} ({gpu['name']}) has been idle for {since}, since the last run: "
            f"{wasted} wasted. Who holds it: %lepton cluster idle"
        )
    if (saved := found["saved"]) and saved["money_per_month"] > 0:
        parts = [
            f"{name} {amounts.money(saved[name]['money_per_month'], saved['currency'])}"
            + (f" ({words.size(saved[name]['bytes'])})" if saved[name]["bytes"] else "")
            for name in ("compression", "deduplication", "tiers")
            if saved[name]["money_per_month"] > 0
        ]
        total = amounts.money(saved["money_per_month"], saved["currency"])
        notes.append(f"Saved a month in this folder: {total}: {', '.join(parts)}.")
    return notes
