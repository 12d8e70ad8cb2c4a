"""Knows when an idle server will be ended by its hub, as the hub counts; runs are no idleness."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lepton_jlab.errors import LeptonError

_KEY = "lepton_jlab"  # of what Lepton adds to Jupyter's own times of last activity
_LOOK = 5.0  # seconds between two looks
_STEP = 10  # seconds: pages are told in such steps


@dataclass
class Idleness:
    """What hubs cull by: the ``last_activity`` of the server's ``/api/status``.

    Parameters
    ----------
    application
        The server's web application, which knows when requests, kernels and terminals were active.
    limit, warning, fair : float
        Seconds: of idleness that end the server (0: nobody ends it); before the end that pages are
        told; for which runs that go on count as activity when nothing else does.
    """

    application: Any
    limit: float
    warning: float
    fair: float

    async def watch(self) -> None:
        """Count runs as activity, until it is cancelled."""
        while self.limit:
            with suppress(LeptonError):
                if self._idle() < self.fair and await asyncio.to_thread(_runs_go_on):
                    self._times[_KEY] = datetime.now(UTC)
            await asyncio.sleep(min(_LOOK, self.limit / 4))

    def touch(self) -> None:
        """Begin the idleness anew."""
        self.application.settings["api_last_activity"] = datetime.now(UTC)

    def ends_in(self) -> int | None:
        """Return in how many seconds the server is ended, in steps; None when that is not near."""
        left = self.limit - _since(self.application.last_activity())
        if not self.limit or left > self.warning:
            return None
        return max(0, int(left // _STEP * _STEP))

    @property
    def _times(self) -> dict[str, datetime]:
        times: dict[str, datetime] = self.application.settings["last_activity_times"]
        return times

    def _idle(self) -> float:
        """Return the seconds since anything was active but runs."""
        runs = self._times.pop(_KEY, None)
        others: datetime = self.application.last_activity()
        if runs is not None:
            self._times[_KEY] = runs
        return _since(others)


def _since(moment: datetime) -> float:
    return (datetime.now(UTC) - moment).total_seconds()


def _runs_go_on() -> bool:
    from lepton_jlab.runs.listing import active

    return bool(active())
