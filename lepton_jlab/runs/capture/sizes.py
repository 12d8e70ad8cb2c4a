"""How much a cell is given: numbers, and the lengths of what has one. Estimates scale by it."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

_UNMEASURED = (bool, str, bytes, type, types.ModuleType, types.FunctionType)
LENGTH = "len "  # before the name of a value whose length it is


def sizes(values: Mapping[str, Any]) -> dict[str, float]:
    """Return numbers by name, and lengths by ``"len NAME"``; what has neither is left out.

    >>> sizes({"epochs": 3, "x": [1, 2], "name": "run"})
    {'epochs': 3.0, 'len x': 2.0}
    """
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, _UNMEASURED):
            continue
        if isinstance(value, int | float):
            found[name] = float(value)
        elif hasattr(type(value), "__len__"):
            try:
                found[f"{LENGTH}{name}"] = float(len(value))
            except Exception:  # noqa: BLE001, S112 (whatever a foreign type makes of it)
                continue
    return found
