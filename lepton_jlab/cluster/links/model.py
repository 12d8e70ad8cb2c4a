"""How long bytes take over a link: round trips, and bytes over goodput."""

from __future__ import annotations

import math
from dataclasses import dataclass

HOST = "host"  # what the place of the cluster host is called in a table of links

_FIRST_WINDOW = 14_600  # bytes that TCP sends before the first acknowledgement (RFC 6928)


@dataclass(frozen=True, slots=True)
class Link:
    """One direction between two places.

    Attributes
    ----------
    rtt
        Seconds there and back, without load.
    goodput
        Bytes a second that arrive, of one large transfer.
    measured
        When the goodput was measured last, in seconds since the epoch.
    """

    rtt: float
    goodput: float
    measured: float

    def seconds(self, size: float, trips: float = 1.0) -> float:
        """Return how long `size` bytes take that are asked for in `trips` questions, one by one."""
        return self.latency(size, trips) + size / self.goodput

    def latency(self, size: float, trips: float = 1.0) -> float:
        """Return the part of `seconds` that more bandwidth would not shorten.

        Besides a round trip for each question there are those in which TCP finds out how much it
        may have under way: it begins with ten packets and doubles them with each round trip.
        """
        under_way = min(size, self.goodput * self.rtt)
        doublings = math.log2(max(1.0, under_way / _FIRST_WINDOW))
        return self.rtt * (trips + doublings)
