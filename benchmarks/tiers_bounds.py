"""What no policy can beat in a simulated month, however much of the future it knows."""

from __future__ import annotations

import numpy as np

from benchmarks.tiers_month import MONTH, PLACES, RATIO, World
from lepton_jlab.data.tiers.prices import GB


def least_money(given: World, steps: int = 40) -> float:
    """Return a bound that no policy's bill can be below, however much of the future it knows.

    For each dataset alone the cheapest course through the tiers is found exactly, by dynamic
    programming over the days of the month, with the first place free and no minimum of days. That
    the hot tier has a limit is put into a price of its room (Lagrange relaxation; Everett,
    "Generalized Lagrange multiplier method", 1963): any price gives a bound, the best is searched.
    """
    month = given.reads[-MONTH:]
    reads = np.array([np.bincount(day, minlength=len(given.sizes)) for day in month], float)
    size = np.array([given.sizes * RATIO[name] for name in PLACES])
    tiers = [given.tiers[name] for name in PLACES]
    stay = np.array([tier.storage / 30 for tier in tiers])
    read = np.array([tier.read for tier in tiers])
    step = np.array(
        [
            [
                0 * size[0] if a == b else size[a] * read[a] + size[b] * tiers[b].write
                for b in range(3)
            ]
            for a in range(3)
        ]
    )
    room = (given.tiers["hot"].capacity or 0) / GB

    def bound(price: float) -> float:
        rent = np.array([price, 0.0, 0.0])
        cost = np.zeros_like(size)
        for day in reads:
            today = size * (stay + rent)[:, None] + size * read[:, None] * day
            cost = (cost[:, None, :] + step).min(axis=0) + today if day is not reads[0] else today
        return float(cost.min(axis=0).sum() - price * room * len(reads))

    low, high = 0.0, 0.05
    for _ in range(steps):  # concave in the price
        third = (high - low) / 3
        if bound(low + third) < bound(high - third):
            low += third
        else:
            high -= third
    return max(bound(0.0), bound((low + high) / 2))


def most_hits(given: World) -> float:
    """Return a bound on the hit rate: each day the best content of the hot tier, moved for nothing.

    The best fraction of each dataset, by what is read of it that day for each byte (Dantzig's bound
    of the knapsack); no policy that is asked once a night can have more.
    """
    room = (given.tiers["hot"].capacity or 0) / GB / RATIO["hot"]
    hot = total = 0.0
    for today in given.reads[-MONTH:]:
        reads, left = np.bincount(today, minlength=len(given.sizes)), room
        total += float((reads * given.sizes).sum())
        for one in np.argsort(-reads):
            part = min(left, float(given.sizes[one]))
            hot += part * reads[one]
            left -= part
    return hot / total
