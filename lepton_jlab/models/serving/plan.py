"""What an endpoint is to serve, and what each of its workers is to load: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """One deployment, as whoever deploys sends it to the endpoint.

    Attributes
    ----------
    name
        Of the endpoint.
    model, version
        Of the registry; no model where a cell serves without one. Without a version the promoted
        one is served, and the endpoint changes when another is promoted.
    runtime
        ``auto`` or one of `runtimes.RUNTIMES`.
    cell
        What `cells.Cell` says, or None.
    timeout
        Seconds from a request's arrival to its answer.
    queue
        Requests that may wait.
    idle_timeout
        Seconds without a request after which the endpoint ends, or None.
    body
        Bytes of the largest request.
    """

    name: str
    model: str | None
    version: int | None = None
    workers: int | None = None
    host: str = "127.0.0.1"
    port: int = 0
    runtime: str = "auto"
    cell: dict[str, Any] | None = None
    timeout: float = 30.0
    queue: int = 1024
    idle_timeout: float | None = None
    body: int = 64 * 2**20
    allow_nan: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What one worker loads.

    Attributes
    ----------
    candidate, file
        The runtime, or the export for it, and what it reads; empty without a model.
    threads
        What it may use of the machine's cores.
    """

    name: str
    model: str = ""
    version: int = 0
    folder: str = ""
    candidate: str = ""
    file: str = ""
    threads: int = 1
    allow_nan: bool = False
    cell: dict[str, Any] | None = None
    payloads: list[str] = field(default_factory=list)
