"""What runs cost, on their host: each attempt is priced as its worker reports what it has used."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from lepton_jlab.cost.prices import Prices, load_prices, price_file
from lepton_jlab.cost.pricing import Cost, priced, together
from lepton_jlab.errors import LeptonError

log = logging.getLogger("lepton.cost")

_known: dict[float, Prices] = {}  # by the time at which the file was written


def current_prices() -> Prices:
    """Return the prices as the user's file has them now; while it has an error, those before."""
    try:
        written = price_file().stat().st_mtime
    except OSError:
        written = 0.0
    if written not in _known:
        try:
            found = load_prices()
        except LeptonError as error:
            log.warning("%s", error)
            found = next(iter(_known.values()), Prices())
        _known.clear()
        _known[written] = found
    return _known[written]


class RunCost:
    """What one run has cost so far, over all of its attempts."""

    def __init__(self) -> None:
        self._earlier: list[Cost] = []
        self._now: dict[str, Cost] = {}  # by process: with replicas it has several

    def take(self, used: Mapping[str, Any]) -> None:
        """Note what a process of the present attempt has used until now."""
        self._now[used["by"]] = priced(used, current_prices())

    def again(self) -> None:
        """Begin another attempt."""
        self._earlier += self._now.values()
        self._now = {}

    def document(self) -> Cost | None:
        """Return it as the record has it; None while nothing was reported."""
        return together([*self._earlier, *self._now.values()])
