"""What is known of the links between places."""

from __future__ import annotations

import time
from typing import Any

from lepton_jlab.cluster.links.model import Link

_NEW = 0.3  # weight of a new measurement against what was known


class LinkTable:
    """Links by the places they lead from and to, each direction on its own."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, str], Link] = {}
        self._moved: dict[tuple[str, str], int] = {}

    def get(self, here: str, there: str) -> Link | None:
        """Return the link from `here` to `there`, or None where it was not measured."""
        return self._links.get((here, there))

    def probed(self, here: str, there: str, rtt: float, goodput: float) -> None:
        """Note what a probe found (s, bytes/s)."""
        self._links[here, there] = Link(rtt, goodput, time.time())

    def moved(self, here: str, there: str, size: int, seconds: float) -> None:
        """Note real transfers: `size` bytes, while at least one was under way for `seconds`."""
        pair = here, there
        self._moved[pair] = self._moved.get(pair, 0) + size
        link = self._links.get(pair)
        # Short ones tell of the round trip, and not of the bandwidth.
        if link is not None and seconds > 4 * link.rtt and size > 256 * 1024:
            goodput = size / (seconds - link.latency(size))
            mean = _NEW * goodput + (1 - _NEW) * link.goodput
            self._links[pair] = Link(link.rtt, mean, time.time())

    def stale(self, here: str, there: str, age: float) -> bool:
        """Tell whether the link has not been measured for `age` seconds."""
        link = self._links.get((here, there))
        return link is None or time.time() - link.measured > age

    def document(self) -> list[dict[str, Any]]:
        """Return the links as JSON has them: s, bytes/s, seconds since the epoch, bytes."""
        return [
            {
                "from": here,
                "to": there,
                "rtt": link.rtt,
                "goodput": link.goodput,
                "measured": link.measured,
                "moved": self._moved.get((here, there), 0),
            }
            for (here, there), link in sorted(self._links.items())
        ]
