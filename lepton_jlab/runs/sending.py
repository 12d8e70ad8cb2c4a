"""Brings payloads to workers that cannot read the host's disk."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from lepton_jlab.cluster.backend import Backend
from lepton_jlab.runs import records
from lepton_jlab.runs.worker import PART


async def send(backend: Backend, worker: str, digest: str, slow: bool) -> None:
    """Bring a payload to a worker: once, whatever needs it; compressed over a `slow` link."""
    path = records.payload_folder() / digest
    size = path.stat().st_size
    with path.open("rb") as file:
        offset = 0
        while data := file.read(PART):
            last = offset + len(data) >= size
            part: dict[str, Any] = {"digest": digest, "offset": offset, "last": last}
            packed = await asyncio.to_thread(zlib.compress, data, 1) if slow else data
            part |= {"packed": len(packed) < len(data)}
            sent = packed if part["packed"] else data
            await backend.call(worker, "lepton_put", data=sent, **part)
            offset += len(data)
