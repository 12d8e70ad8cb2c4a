"""How much a dataset is worth keeping near: decayed accesses times importance."""

from __future__ import annotations

import math
from collections.abc import Sequence

DAY = 86_400.0  # seconds
MONTH = 30 * DAY
CACHE_HALF_LIFE = 3 * DAY  # of what the cache of remote datasets holds, by benchmarks/tiers.py
IMPORTANCE = 1  # of a dataset that nobody said anything about
MOST_IMPORTANT = 5


def decayed(count: float, age: float, half_life: float) -> float:
    """Return what is left of a count after a time.

    ``count · 2^(-age / half_life)``: exponential decay, which needs one number and one time for
    each dataset however often it is read. Cohen and Strauss, "Maintaining time-decaying stream
    aggregates", PODS 2003.

    Parameters
    ----------
    count
        Accesses, of which one is the whole dataset read once.
    age
        Seconds since it was counted; a clock that was set back counts as no time.
    half_life
        Seconds after which half is left.

    Examples
    --------
    >>> decayed(8.0, age=2 * DAY, half_life=DAY)
    2.0
    """
    return count * math.exp2(-max(age, 0.0) / half_life)


def score(count: float, importance: float) -> float:
    """Return the decayed count of accesses times the importance, from 0 to 5."""
    return count * importance


def expected(
    count: float, half_life: float, known_for: float = math.inf, span: float = MONTH
) -> float:
    """Return how many accesses a decayed count lets expect within `span` seconds.

    At a steady rate r for a time k the decayed count is ``∫₀ᵏ r · 2^(-t/h) dt
    = r · h / ln 2 · (1 - 2^(-k/h))``, which is solved for r.

    Parameters
    ----------
    count
        Decayed count of accesses.
    half_life
        Seconds of its decay, h.
    known_for
        Seconds since the first of them, k; a day at least.
    span
        Seconds to look ahead.

    Examples
    --------
    >>> round(expected(10.0, half_life=7 * DAY), 1)
    29.7
    """
    seen = 1.0 - math.exp2(-max(known_for, DAY) / half_life)
    return count * math.log(2) / half_life / seen * span


def forecast(rates: Sequence[float], doubt: float) -> list[float]:
    """Return rates drawn towards their mean: ``(1 - doubt) · own + doubt · mean``.

    What was not read for long is not dead, and what was read much will not be for ever. Credibility
    weighting (Bühlmann, "Experience rating and credibility", ASTIN Bulletin 4, 1967), with a weight
    from the simulated month (benchmarks/tiers.py).

    Examples
    --------
    >>> forecast([0.0, 10.0], doubt=0.4)
    [2.0, 8.0]
    """
    mean = sum(rates) / len(rates) if rates else 0.0
    return [(1.0 - doubt) * own + doubt * mean for own in rates]
