"""A cluster of ours whose scheduler runs elsewhere: it can be scaled and ended from here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from lepton_jlab.cluster.backend import AdoptedBackend, Leaving
from lepton_jlab.errors import ClusterError


class RemoteBackend(AdoptedBackend):
    """A Dask cluster that was made for us by a service.

    Parameters
    ----------
    client, security
        The connection to its scheduler.
    wanted
        How many workers were asked for so far.
    resize
        Asks the service for so many workers; it is told the names of those that have just ended.
    end
        Has the service end the cluster.
    """

    def __init__(
        self,
        client: Any,
        security: Any,
        wanted: int,
        resize: Callable[[int, Sequence[str]], Awaitable[None]],
        end: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(client, security)
        self._asked = wanted
        self._resize = resize
        self._end = end

    @property
    def wanted(self) -> int:
        return self._asked

    async def scale(self, workers: int, busy: Sequence[str], leaving: Leaving) -> None:
        rank = {address: place for place, address in enumerate(busy)}
        here = sorted(await self.workers(), key=lambda worker: rank.get(worker.address, -1))
        gone = here[: max(0, len(here) - workers)]
        leaving([worker.address for worker in gone])
        if gone:  # chosen and ended here: the service does not know which have runs
            addresses = [worker.address for worker in gone]
            await self.client.retire_workers(workers=addresses, close_workers=True, remove=True)
        await self._resize(workers, [worker.name for worker in gone])
        self._asked = workers

    async def open_dashboard(self, socket: Any) -> None:  # noqa: ARG002
        raise ClusterError(f"{self.address} is a scheduler elsewhere: see its own dashboard.")

    async def close(self) -> None:
        await super().close()
        await self._end()
