"""Engine `gateway`: a cluster that a Dask Gateway makes for its users."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lepton_jlab.cluster.backend import Backend
from lepton_jlab.cluster.plan import Plan
from lepton_jlab.cluster.remote import RemoteBackend
from lepton_jlab.errors import ClusterError, LeptonError, UsageError

_GIB = 2**30


async def make(plan: Plan, scratch: Path) -> Backend:  # noqa: ARG001 (one protocol for all engines)
    """Have the gateway start a scheduler and workers; their keys come from it.

    Raises
    ------
    ClusterError
        When the gateway does not answer, refuses, or cannot start a cluster.
    UsageError
        When it does not let its users choose what `plan` asks for.
    """
    import aiohttp
    from dask_gateway import Gateway, GatewayClusterError, GatewayServerError
    from distributed import Security

    address = plan.options.get("gateway")
    try:
        gateway = Gateway(address, auth=plan.options.get("auth"), asynchronous=True)
    except ValueError as error:
        raise UsageError(
            "Engine 'gateway' needs --gateway URL, or gateway.address in Dask's configuration."
        ) from error
    cluster = None
    workers = plan.at_start if plan.at_start is not None else 1
    try:
        options = await gateway.cluster_options()
        _choose(options, plan)
        cluster = await gateway.new_cluster(options, shutdown_on_close=True)
        await cluster.scale(workers)
        client = await cluster.get_client(set_as_default=False)
    except BaseException as error:
        with suppress(Exception):
            await (gateway if cluster is None else cluster).close()
        if isinstance(error, LeptonError):
            raise
        if isinstance(error, GatewayClusterError):
            raise ClusterError(
                f"The gateway {gateway.address} could not start a cluster: {error}. Its "
                "administrator finds the reason in its log."
            ) from error
        if isinstance(error, GatewayServerError | aiohttp.ClientError | OSError | ValueError):
            said = str(error).rstrip(".") or type(error).__name__
            raise ClusterError(
                f"The gateway {gateway.address} does not do it: {said}. Check --gateway, and "
                "--auth with what Dask's configuration has for it."
            ) from error
        raise

    async def resize(count: int, _ended: Sequence[str]) -> None:
        await cluster.scale(count)

    async def end() -> None:
        await cluster.close()
        await gateway.close()

    keys = cluster.security
    security = Security(
        require_encryption=True,
        tls_ca_file=keys.tls_cert,
        tls_client_cert=keys.tls_cert,
        tls_client_key=keys.tls_key,
    )
    return RemoteBackend(client, security, workers, resize, end)


def _choose(options: Any, plan: Plan) -> None:
    """Set what the gateway lets its users choose, by the names that gateways give it."""
    chosen: dict[str, str] = plan.options.get("settings", {})
    asked: dict[str, tuple[str, Any]] = {n: (f"--settings {n}", g) for n, g in chosen.items()}
    if "image" in plan.options:
        asked["image"] = ("--image", plan.options["image"])
    if plan.threads is not None:
        asked["worker_cores"] = ("--threads", plan.threads)
    if plan.memory is not None:
        asked["worker_memory"] = ("--memory", plan.memory / _GIB)
    for name, (option, given) in asked.items():
        if name not in options:
            offered = ", ".join(options) or "nothing"
            raise UsageError(
                f"{option}: this gateway lets its users choose {offered}, and not {name}."
            )
        kind = type(options[name])
        try:
            options[name] = kind(given) if kind in (int, float) else given
        except (TypeError, ValueError) as error:
            raise UsageError(f"{option} {given}: {error}") from error
