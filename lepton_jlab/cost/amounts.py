"""How energy and money are read from a user, and written for one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lepton_jlab.errors import UsageError

_WRITTEN = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(kwh|mwh|wh|kj|mj|j)?\s*", re.IGNORECASE)
_WH = {"wh": 1.0, "kwh": 1e3, "mwh": 1e6, "j": 1 / 3600, "kj": 1 / 3.6, "mj": 1e3 / 3.6}


def parse_energy(value: str | float, what: str) -> float:
    """Return the Wh in ``"100Wh"``, ``"1.5 kWh"``, ``"360kJ"`` or a number of Wh.

    Raises
    ------
    UsageError
        If it is none, or not more than 0; it names `what`.
    """
    amount = float(value) if _is_number(value) else 0.0
    if isinstance(value, str) and (written := _WRITTEN.fullmatch(value)):
        amount = float(written[1]) * _WH[(written[2] or "Wh").lower()]
    if not 0 < amount < float("inf"):
        raise UsageError(f"{what} {value!r} is not an amount of energy. Write it as 100Wh, 1.5kWh.")
    return amount


def parse_money(value: str | float, what: str) -> float:
    """Return the amount of ``"2.50"``; UsageError if it is none, or not more than 0."""
    try:
        amount = float(value)
    except ValueError:
        amount = 0.0
    if not 0 < amount < float("inf"):
        raise UsageError(f"{what} {value!r} is not an amount of money. Write it as 2.50.")
    return amount


def energy(wh: float) -> str:
    """Write an amount of energy.

    >>> energy(0.00231), energy(0.4), energy(12.34), energy(1234), energy(0)
    ('2.31 mWh', '400 mWh', '12.3 Wh', '1.23 kWh', '0 Wh')
    """
    for unit, size in (("kWh", 1e3), ("Wh", 1.0), ("mWh", 1e-3)):
        if wh >= size * 0.9995:
            return f"{_three(wh / size)} {unit}"
    return f"{_three(wh * 1e3)} mWh" if wh else "0 Wh"


def money(amount: float, currency: str) -> str:
    """Write an amount of money: two decimals, and of less than that two digits.

    >>> money(12.345, "USD"), money(0.00123, "EUR"), money(0, "USD"), money(4.2e-7, "USD")
    ('12.35 USD', '0.0012 EUR', '0 USD', '<0.0001 USD')
    """
    if amount == 0:
        return f"0 {currency}"
    if abs(amount) >= 0.1:
        return f"{amount:.2f} {currency}"
    return f"{amount:.2g} {currency}" if abs(amount) >= 1e-4 else f"<0.0001 {currency}"


def cost_text(cost: Mapping[str, Any] | None) -> str:
    """Write a cost on one line: ``12.3 Wh (estimated), 0.0031 USD``."""
    if not cost:
        return ""
    told = f"{energy(cost['energy_wh'])} ({cost['energy']})"
    return f"{told}, {money(cost['money'], cost['currency'])}"


def _three(value: float) -> str:
    """Write a number with three digits, and without an exponent."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
