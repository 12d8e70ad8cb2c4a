"""What a submission may cost: when that is spent, what runs is stopped, and the rest cancelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lepton_jlab.cost.amounts import energy, money
from lepton_jlab.cost.pricing import ESTIMATED, together

if TYPE_CHECKING:
    from lepton_jlab.runs.journal import Entry

_UNITS = {"budget": "money", "energy": "energy_wh"}


class Budget:
    """The limit of one submission, and what its runs have cost so far.

    Parameters
    ----------
    options
        Of the submission: ``budget`` (money), ``energy`` (Wh); None for no limit.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._limits = {name: options[name] for name in _UNITS if options.get(name) is not None}
        self._members: list[Entry] = []
        self.why: dict[str, str] | None = None  # it is spent

    def add(self, entry: Entry) -> None:
        """Count a run, also after its end."""
        if self._limits:
            self._members.append(entry)

    def overspent(self) -> dict[str, str] | None:
        """Return why its runs are to be stopped; None while there is something left, and later."""
        if not self._limits or self.why:
            return None
        costs = [cost for entry in self._members if (cost := entry.cost.document()) is not None]
        total = together(costs)
        for name, limit in self._limits.items():
            if total is not None and total[_UNITS[name]] >= limit:
                self.why = {"kind": "budget", "message": _message(name, limit, total)}
                return self.why
        return None

    def runs(self) -> list[str]:
        """Return the ids of its runs."""
        return [entry.spec["id"] for entry in self._members]


def stops(entries: Iterable[Entry]) -> list[tuple[list[str], dict[str, str]]]:
    """Return which runs are to be stopped, and why, now that those of `entries` have cost more."""
    budgets = dict.fromkeys(entry.budget for entry in entries)
    return [(one.runs(), why) for one in budgets if (why := one.overspent()) is not None]


def _message(name: str, limit: float, total: Mapping[str, Any]) -> str:
    about = " about" if total["energy"] == ESTIMATED else ""
    if name == "energy":
        return f"--energy {energy(limit)} is spent: this submission used{about} " + energy(
            total["energy_wh"]
        )
    told = money(total["money"], total["currency"])
    return f"--budget {limit:g} is spent: this submission cost{about} {told}"
