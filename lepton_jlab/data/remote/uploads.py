"""A Zarr store for writing to a bucket, which can be stopped."""

from __future__ import annotations

import asyncio
from typing import Any

from zarr.core.buffer import Buffer
from zarr.storage import ObjectStore


class Uploads(ObjectStore[Any]):
    """An object store of which nothing is under way any more after `stop`.

    When one chunk of many cannot be written, Zarr raises that at once and writes the others on.
    """

    def __init__(self, store: Any, *, read_only: bool = False) -> None:
        super().__init__(store, read_only=read_only)
        self._running: set[asyncio.Task[Any]] = set()
        self._stopped = False

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object."""
        task = asyncio.current_task()
        assert task is not None
        if self._stopped:
            raise asyncio.CancelledError
        self._running.add(task)
        try:
            await super().set(key, value)
        finally:
            self._running.discard(task)

    async def stop(self) -> None:
        """Refuse to write more, and wait for what is under way; from Zarr's event loop."""
        self._stopped = True
        while self._running:
            await asyncio.wait(self._running)
