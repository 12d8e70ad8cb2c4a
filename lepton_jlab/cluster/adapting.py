"""Adaptive scaling: a cluster has as many workers as runs wait for, within two numbers.

distributed's own `Adaptive` goes by how long tasks took. Runs take minutes, and nobody knows how
long the next one will: here each queued or running run is a worker that is wanted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from lepton_jlab.config import settings
from lepton_jlab.errors import LeptonError

if TYPE_CHECKING:
    from lepton_jlab.cluster.host import Host

log = logging.getLogger("lepton.adapting")

_LOOK = 1.0  # seconds between two looks
_MEND = 30.0  # seconds between two tries to replace workers that have gone


class Adapting:
    """Keeps the workers of a cluster as many as they are to be.

    Attributes
    ----------
    span
        The fewest and the most; None where the number is what a user said.
    """

    def __init__(self, host: Host, span: tuple[int, int] | None) -> None:
        self.span = span
        self._host = host
        self._fewer_since: float | None = None

    @property
    def most(self) -> int:
        """How many workers there may be without anybody's doing, those that are coming included."""
        return max(self._host.backend.wanted, 0 if self.span is None else self.span[1])

    async def between(self, fewest: int, most: int) -> None:
        """Follow the runs between these numbers from now on.

        Raises
        ------
        ClusterError
            When the cluster is one that cannot be scaled here.
        """
        wanted = self._host.backend.wanted
        if wanted < fewest:
            await self._host.resize(fewest)
        self.span = fewest, most

    async def keep(self) -> None:
        """Look again and again, until it is cancelled."""
        mended = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK)
            try:
                if self.span is not None:
                    await self._follow(self.span)
                if time.monotonic() - mended > _MEND:
                    await self._host.backend.mend()
                    mended = time.monotonic()
            except (LeptonError, OSError) as error:
                log.warning("the number of workers stays: %s", error)
                mended = time.monotonic()

    async def _follow(self, span: tuple[int, int]) -> None:
        fewest, most = span
        target = max(fewest, min(most, await self._host.demand()), len(self._host.occupants()))
        wanted = self._host.backend.wanted
        now = time.monotonic()
        if target >= wanted:
            self._fewer_since = None
        elif self._fewer_since is None:
            self._fewer_since = now
        if target > wanted or (target < wanted and self._waited(now)):
            await self._host.resize(target)

    def _waited(self, now: float) -> bool:
        """Tell whether fewer workers have sufficed for long enough."""
        return self._fewer_since is not None and now - self._fewer_since >= settings().adapt_wait
