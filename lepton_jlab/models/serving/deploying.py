"""Deploy a model, or change what its endpoint serves; find and stop endpoints."""

from __future__ import annotations

import dataclasses
import ipaddress
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lepton_jlab.cluster.connection import process_lives
from lepton_jlab.cluster.plan import parse_seconds
from lepton_jlab.cluster.start import start
from lepton_jlab.errors import LeptonError, UsageError, suggestion
from lepton_jlab.models.serving.client import Endpoint
from lepton_jlab.models.serving.connection import ENDPOINTS, ask
from lepton_jlab.models.serving.plan import Plan
from lepton_jlab.models.serving.runtimes import RUNTIMES
from lepton_jlab.models.version import Version
from lepton_jlab.sizes import parse_bytes

_HOST = "lepton_jlab.models.serving.host"


def deploy(
    name: str,
    version: int | None = None,
    *,
    workers: int | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    runtime: str = "auto",
    timeout: str | float = 30.0,
    queue: int = 1024,
    max_request: str | int = "64MiB",
    idle_timeout: str | float | None = None,
    allow_nan: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Endpoint:
    """Serve a model over HTTP; where its endpoint runs already, change what that serves.

    A change loses no request: the old workers answer until the new ones are warm.

    Parameters
    ----------
    name : str
        Of the model, and of the endpoint.
    version : int, optional
        Which; without one the promoted version, also when another is promoted later.
    workers : int, optional
        Processes that hold the model; by default as many as before, at first 1.
    port : int
        0 takes a free one.
    host : str
        Another address than this machine's own is reached by others, in plain HTTP.
    runtime : {"auto", "savedmodel", "keras", "litert", "onnx"}
        ``auto`` races them on the stored samples.
    timeout : str or float
        From a request's arrival to its answer, seconds or ``"10s"``.
    queue : int
        Requests that may wait; who comes then is sent away with 503.
    max_request : str or int
        Bytes of the largest request, or ``"64MiB"``.
    idle_timeout : str or float, optional
        It stops by itself when it was not asked for so long.
    allow_nan : bool
        Let NaN and infinity through to the model.
    progress : callable, optional
        Takes one short line whenever something changes.

    Raises
    ------
    NotFoundError
        If there is no such model or version.
    UsageError
        If something named cannot be.
    LeptonError
        If it cannot be loaded; what was served is served still.

    Examples
    --------
    >>> client = lepton.deploy("fashion")  # doctest: +SKIP
    >>> client.predict(images).shape  # doctest: +SKIP
    (16, 10)
    """
    plan = plan_of(
        name,
        name,
        version,
        workers=workers,
        port=port,
        host=host,
        runtime=runtime,
        timeout=timeout,
        queue=queue,
        max_request=max_request,
        idle_timeout=idle_timeout,
        allow_nan=allow_nan,
    )
    return put(plan, progress)


def plan_of(
    name: str,
    model: str | None,
    version: int | None,
    *,
    workers: int | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    runtime: str = "auto",
    timeout: str | float = 30.0,
    queue: int = 1024,
    max_request: str | int = "64MiB",
    idle_timeout: str | float | None = None,
    allow_nan: bool = False,
    cell: dict[str, Any] | None = None,
) -> Plan:
    """Check the options of `deploy` and return them as a plan.

    Raises
    ------
    NotFoundError, UsageError
        For what cannot be.
    """
    if model is not None:
        Version.open(model, version)  # says at once what there is instead
    ENDPOINTS.path_of(name)
    if runtime not in RUNTIMES:
        raise UsageError(
            f"There is no runtime {runtime!r}.{suggestion(runtime, RUNTIMES)} There are: "
            f"{', '.join(RUNTIMES)}."
        )
    if not 0 <= port < 65536:
        raise UsageError(f"--port {port}: ports go from 1 to 65535; 0 takes a free one.")
    if queue < 1:
        raise UsageError(f"--queue {queue}: it has to hold 1 request or more.")
    return Plan(
        name,
        model,
        version,
        _workers(workers),
        host,
        port,
        runtime,
        cell,
        parse_seconds(timeout, "--timeout"),
        queue,
        None if idle_timeout is None else parse_seconds(idle_timeout, "--idle-timeout"),
        parse_bytes(max_request, "--max-request"),
        allow_nan,
    )


def put(plan: Plan, progress: Callable[[str], None] | None = None) -> Endpoint:
    """Start the endpoint of `plan`, or have the one that runs change to it."""
    tell = progress or _silent
    _check_address(plan)
    running = ENDPOINTS.read(plan.name)
    if running is None:
        start(_HOST, ENDPOINTS, plan.name, dataclasses.asdict(plan), tell)
    elif running["state"] != "running":
        raise LeptonError(f"Endpoint {plan.name!r} is being started right now. Wait for it.")
    else:
        if plan.host == "127.0.0.1":  # the default: leave it where it is
            plan = dataclasses.replace(plan, host=running["host"])
        ask(running, {"do": "change", "plan": dataclasses.asdict(plan)}, tell)
    return endpoint(plan.name)


def endpoint(name: str) -> Endpoint:
    """Return the client of the endpoint `name`.

    Raises
    ------
    NotFoundError
        If there is none of that name.

    Examples
    --------
    >>> lepton.endpoint("fashion").predict(images)  # doctest: +SKIP
    """
    info = ENDPOINTS.find(name)
    if info["state"] != "running":
        raise LeptonError(f"Endpoint {name!r} is still starting. Try again in a moment.")
    return Endpoint(info)


def endpoints() -> list[Endpoint]:
    """Return all endpoints that run on this machine, oldest first."""
    return [Endpoint(info) for info in ENDPOINTS.living() if info["state"] == "running"]


def stop(names: Iterable[str], progress: Callable[[str], None] | None = None) -> list[str]:
    """Stop endpoints once they have answered what they have; return their names.

    Raises
    ------
    NotFoundError
        If one does not run; the others are left as they are.
    """
    tell = progress or _silent
    found = [ENDPOINTS.find(name) for name in names]
    for info in found:
        tell(f"stopping {info['name']}")
        if info["state"] == "running":
            ask(info, {"do": "stop"}, tell)
        else:  # it hears nothing yet
            _terminate(info)
    for info in found:
        _await_end(info)
    return [info["name"] for info in found]


def _terminate(info: dict[str, Any]) -> None:
    import os
    import signal

    if process_lives(info["pid"], info["created"]):
        os.kill(info["pid"], signal.SIGTERM)


def _await_end(info: dict[str, Any]) -> None:
    end = time.monotonic() + info.get("timeout", 30.0) + 15.0
    while process_lives(info["pid"], info["created"]):
        if time.monotonic() > end:
            raise LeptonError(
                f"Endpoint {info['name']!r} (process {info['pid']}) has not ended. Its log: "
                f"{info['log']}"
            )
        time.sleep(0.02)
    Path(info["log"]).unlink(missing_ok=True)


def _workers(count: int | None) -> int | None:
    if count is not None and count < 1:
        raise UsageError(f"--workers {count}: an endpoint needs 1 or more.")
    return count


def _check_address(plan: Plan) -> None:
    try:
        local = ipaddress.ip_address(plan.host).is_loopback
    except ValueError:
        local = plan.host == "localhost"
    if not local:
        warnings.warn(
            f"Endpoint {plan.name!r} on {plan.host} can be reached from other machines, in plain "
            "HTTP: its token and all data can be read on the way. Put a TLS proxy before it.",
            stacklevel=4,
        )


def _silent(text: str) -> None:
    """Show no progress."""
