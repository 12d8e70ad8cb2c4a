"""Workers that are told to leave, and where the processes of one run meet."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lepton_jlab.runs.attempt import Attempt

_NOTICE = 20.0  # seconds that runs have for a checkpoint
_CLOSING = 3.0  # the same when the cluster is stopped
_LOOK = 0.05  # seconds between two looks at whether they have left


def heed_sigterm(attempts: Callable[[], Iterable[Attempt]]) -> None:
    """Let runs make a checkpoint before this worker follows a SIGTERM, as spot machines send it."""
    if threading.current_thread() is not threading.main_thread():
        return  # not a process of its own
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)

    async def leave() -> None:
        await checkpoint_first(attempts(), _NOTICE)
        signal.signal(signal.SIGTERM, before)
        os.kill(os.getpid(), signal.SIGTERM)

    tasks: list[Any] = []

    def told(*_: object) -> None:
        loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(leave())))

    signal.signal(signal.SIGTERM, told)


async def checkpoint_first(attempts: Iterable[Attempt], patience: float = _CLOSING) -> None:
    """Give runs that make checkpoints notice, and wait until they have left."""
    told = [attempt for attempt in attempts if attempt.give_notice()]
    end = asyncio.get_running_loop().time() + patience
    while any(not one.over for one in told) and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(_LOOK)


def meeting_place(worker: Any, folder: Path | None, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a rank on `worker` is met by others, and with which keys.

    Parameters
    ----------
    worker : distributed.Worker
        On which it is.
    folder : Path or None
        Of this user alone, shared by all workers of this machine; None where there is none.
    spec : dict
        Of the rank.
    """
    from distributed.comm import get_address_host

    together = spec["replica"]["together"] and folder is not None
    name = f"{spec['id']}-{spec['attempt']}.ring"
    return {
        "socket": str(folder / name) if folder is not None and together else None,
        "host": get_address_host(worker.address),
        "tls": _keys(worker.security),
    }


def _keys(security: Any) -> dict[str, str] | None:
    """Return the cluster's keys as text, or None where it has none."""
    names = {"ca": "tls_ca_file", "cert": "tls_worker_cert", "key": "tls_worker_key"}
    found = {name: getattr(security, attribute, None) for name, attribute in names.items()}
    if not all(found.values()):
        return None
    return {
        name: value if "-----BEGIN" in value else Path(value).read_text()
        for name, value in found.items()
        if value is not None
    }
