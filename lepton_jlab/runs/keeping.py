"""The host's side of kept children (``--keep``): which there are, and letting go of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from lepton_jlab.cluster.host import Host


class Keeping:
    """Answers for the workers of one host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def kept(self, drop: list[int] | None = None) -> list[dict[str, Any]]:
        """Return the kept children that no run uses: ``name``, ``worker``, ``pid``, ``machine``.

        Parameters
        ----------
        drop
            Pids of those to let go of; what they hold is lost, and their devices are free.
        """
        found = []
        for worker in await self._host.backend.workers():
            with suppress(OSError, KeyError, AttributeError):  # it goes, or has just come
                told = await self._host.backend.call(worker.address, "lepton_kept", drop=drop or [])
                found += [{**one, "worker": worker.name} for one in told]
        return found
