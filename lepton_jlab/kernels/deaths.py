"""How a worker ended, which the nanny that started it knows and the scheduler does not."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Any

_PATIENCE = 2.0  # seconds for a nanny to notice, once the connection to its worker broke


async def exit_status(dask_worker: Any) -> int | None:
    """Wait, in a nanny, for the end of its worker's process; return the status."""
    process = dask_worker.process.process
    await process.join()
    status: int | None = process.exitcode
    return status


class Watch:
    """Waits for the end of one worker.

    Parameters
    ----------
    client : distributed.Client
        Asynchronous.
    worker : str
        The worker's address.
    """

    def __init__(self, client: Any, worker: str) -> None:
        self._worker = worker
        self._end = asyncio.ensure_future(
            client.run(exit_status, workers=[worker], nanny=True, on_error="ignore")
        )

    async def describe(self) -> str:
        """Say how the worker ended: ``died (signal 9, killed)``."""
        with suppress(TimeoutError, OSError):
            found = await asyncio.wait_for(asyncio.shield(self._end), _PATIENCE)
            if (status := found.get(self._worker)) is not None:
                return _words(status)
        return "is gone: the connection to it broke"

    def close(self) -> None:
        """Do not wait any longer."""
        self._end.cancel()


def _words(status: int) -> str:
    if status < 0:
        return f"died (signal {-status}, {(signal.strsignal(-status) or 'unknown').lower()})"
    return f"died (exit status {status})" if status else "was closed"
