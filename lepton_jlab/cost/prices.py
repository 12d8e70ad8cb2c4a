"""What electricity and devices cost, from the user's file.

The file is ``lepton_prices.toml`` in a Jupyter configuration folder; its defaults are here. Prices
of storage are beside it, in ``lepton_tiers.toml``; both are in one currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from lepton_jlab.config import read_toml, user_file
from lepton_jlab.errors import UsageError, suggestion

FILE = "lepton_prices.toml"


@dataclass(frozen=True, slots=True)
class Prices:
    """All that turns energy and time into money.

    Attributes
    ----------
    currency
        Of all prices, a word for people; by default that of the prices of storage.
    electricity
        Price of a kWh.
    core_hour
        Price of an hour of a core's time; 0 for a machine of your own.
    gpu_hour
        Price of an hour for which a GPU is held, busy or not, by its name or a part of it;
        ``"other"`` for all others.
    core_watts
        What a busy core draws, where the machine does not measure it: the power that the processor
        is built for (its TDP), over its cores.
    gpu_watts
        What a GPU draws that tells neither its energy nor its power.
    """

    currency: str = "USD"
    electricity: float = 0.25
    core_hour: float = 0.0
    gpu_hour: Mapping[str, float] = field(default_factory=dict)
    core_watts: float = 8.0  # of today's processors: 5 (many cores) to 10 (few)
    gpu_watts: float = 200.0

    def hour_of(self, gpu: str) -> float:
        """Return the price of an hour of the GPU of that name: of the longest name that fits."""
        fitting = [name for name in self.gpu_hour if name.lower() in gpu.lower()]
        return self.gpu_hour[max(fitting, key=len)] if fitting else self.gpu_hour.get("other", 0.0)


def price_file() -> Path:
    """Return the user's file, or where it would be."""
    return user_file(FILE)


def load_prices() -> Prices:
    """Return the prices as the user's file has them, with the defaults for what it does not say.

    Raises
    ------
    UsageError
        If the file is not TOML, or says something that is not known; the message names the place.
    """
    from lepton_jlab.data.tiers.prices import load_tiers

    path = price_file()
    document = read_toml(path)
    known = [one.name for one in fields(Prices)]
    said: dict[str, Any] = {}
    for key, value in document.items():
        if key not in known:
            raise UsageError(
                f"{path}: {key!r} is not known.{suggestion(key, known)} It may have "
                f"{', '.join(known)}."
            )
        if key == "currency":
            if not isinstance(value, str) or not value:
                raise UsageError(f'{path}: currency is {value!r}; give a word, such as "EUR".')
            said[key] = value
        elif key == "gpu_hour":
            table = value if isinstance(value, dict) else {"other": value}
            said[key] = {name: _number(path, f"gpu_hour.{name}", x) for name, x in table.items()}
        else:
            said[key] = _number(path, key, value)
    said.setdefault("currency", load_tiers().currency)
    return Prices(**said)


def _number(path: Path, where: str, value: Any) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    if not usable or not 0 <= value < float("inf"):
        raise UsageError(f"{path}: {where} is {value!r}; it must be a number, 0 or more.")
    return float(value)
