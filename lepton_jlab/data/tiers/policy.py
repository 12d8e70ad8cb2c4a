"""Which dataset belongs to which tier: the cheapest, by what it will probably be read.

Every further copy or slower place is a trade of storage against reading, which is decided by how
often a thing is read: the break-even interval of Gray and Putzolu, "The 5 minute rule for trading
memory for disc accesses", SIGMOD 1987, with prices instead of its five minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lepton_jlab.data.tiers.prices import GB, Tier, Tiers
from lepton_jlab.data.tiers.score import DAY, MONTH

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Item:
    """A dataset, as far as the policy needs to know it.

    Attributes
    ----------
    name
        Its path.
    tier
        Where it is.
    sizes
        Bytes that it has or would have, by tier; a tier that is missing cannot have it.
    reads
        How often it will be read in a month, by `score.forecast`, times its importance.
    policy
        A tier where it shall stay, or ``"auto"``.
    days
        How long it has been in its tier.
    """

    name: str
    tier: str
    sizes: Mapping[str, int]
    reads: float
    policy: str = AUTO
    days: float = float("inf")


def monthly_cost(tier: Tier, size: int, reads: float) -> float:
    """Return what a dataset costs in a month: ``GB · (storage + reads · read)``."""
    return size / GB * (tier.storage + reads * tier.read)


def move_cost(item: Item, to: Tier, tiers: Tiers) -> float:
    """Return what a move costs: reading the old, writing the new, and leaving a tier early."""
    if to.name == item.tier:
        return 0.0
    here, size = tiers[item.tier], item.sizes[item.tier] / GB
    early = max(0.0, here.minimum_days - item.days) * DAY / MONTH
    return size * (here.read + early * here.storage) + item.sizes[to.name] / GB * to.write


def costs(item: Item, tiers: Tiers) -> dict[str, float]:
    """Return what each tier would cost within the horizon, the move there included."""
    months = tiers.horizon_days * DAY / MONTH
    return {
        name: monthly_cost(tier, item.sizes[name], item.reads) * months
        + move_cost(item, tier, tiers)
        for name, tier in tiers.tiers.items()
        if name in item.sizes
    }


def assign(items: Sequence[Item], tiers: Tiers) -> dict[str, str]:
    """Return the tier of each dataset, by name.

    Each goes where it is cheapest. Where a tier has less room than is wanted of it, those stay
    that save most for each byte, and the others go where they are cheapest without it: the greedy
    rule for the knapsack (Dantzig, "Discrete-variable extremum problems", 1957), which misses the
    best by less than one dataset. What is there already pays nothing to stay, so that datasets
    do not go to and fro.

    Parameters
    ----------
    items
        The datasets. Those with a policy other than ``"auto"`` stay, or go, where it says, and
        take their room first.
    tiers
        Places, prices, half-life and horizon.
    """
    open_to = {item.name: costs(item, tiers) for item in items if item.policy == AUTO}
    fixed = {item.name: item.policy for item in items if item.policy != AUTO}
    by_name = {item.name: item for item in items}
    while True:
        chosen = {name: min(options, key=options.__getitem__) for name, options in open_to.items()}
        bumped = False
        for tier in tiers.tiers.values():
            if tier.capacity is None:
                continue
            bumped |= _crowd_out(tier, {**chosen, **fixed}, open_to, by_name)
        if not bumped:
            return {**chosen, **fixed}


def _crowd_out(
    tier: Tier,
    chosen: Mapping[str, str],
    open_to: Mapping[str, dict[str, float]],
    items: Mapping[str, Item],
) -> bool:
    """Take the tier from those for which there is no room; return whether there were any."""
    assert tier.capacity is not None
    here = [name for name, place in chosen.items() if place == tier.name]
    room = tier.capacity - sum(_size(items[n], tier) for n in here if n not in open_to)
    movable = [name for name in here if name in open_to and len(open_to[name]) > 1]
    room -= sum(_size(items[n], tier) for n in here if n in open_to and len(open_to[n]) == 1)

    def saving(name: str) -> float:
        options = open_to[name]
        other = min(cost for place, cost in options.items() if place != tier.name)
        return (other - options[tier.name]) / max(1, _size(items[name], tier))

    bumped = False
    for name in sorted(movable, key=saving, reverse=True):
        size = _size(items[name], tier)
        if size <= room:
            room -= size
        else:
            del open_to[name][tier.name]
            bumped = True
    return bumped


def _size(item: Item, tier: Tier) -> int:
    return item.sizes.get(tier.name, 0)
