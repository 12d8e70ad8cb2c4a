"""Engine `kubernetes`: scheduler and workers in pods, made by the Dask operator.

dask-kubernetes' own KubeCluster has no TLS, and its operator chooses by itself which workers to
close. So the objects are made here, and workers are ended here before their number is changed.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lepton_jlab.cluster.backend import Backend
from lepton_jlab.cluster.engines import manifests
from lepton_jlab.cluster.plan import Plan
from lepton_jlab.cluster.remote import RemoteBackend
from lepton_jlab.config import settings
from lepton_jlab.errors import ClusterError

_LOOK = 0.5  # seconds between two looks at the service


async def make(plan: Plan, scratch: Path) -> Backend:  # noqa: ARG001 (one protocol for all engines)
    """Create a DaskCluster and its keys, and connect to its scheduler.

    Raises
    ------
    ClusterError
        When Kubernetes cannot be reached or refuses, or no operator acts on the cluster.
    """
    import httpx
    import kr8s

    try:
        return await _make(plan)
    except (kr8s.APITimeoutError, httpx.HTTPError, OSError, ValueError) as error:
        said = str(error) or type(error).__name__
        raise ClusterError(
            f"Kubernetes cannot be reached: {said}. Check it: kubectl get pods"
        ) from error
    except kr8s.ServerError as error:
        raise ClusterError(f"Kubernetes refused: {error}{_hint(error)}") from error


async def _make(plan: Plan) -> Backend:
    import kr8s
    from distributed import Security
    from kr8s.asyncio.objects import Deployment, Secret, new_class

    dask_cluster, worker_group = (
        new_class(kind, manifests.GROUP) for kind in ("DaskCluster", "DaskWorkerGroup")
    )
    chosen = plan.options
    api = await kr8s.asyncio.api()
    namespace = chosen.get("namespace") or api.namespace
    # Others of the namespace may have a cluster of the same name.
    name = f"lepton-{_label(plan.name)}-{secrets.token_hex(3)}"
    workers = plan.at_start if plan.at_start is not None else 1
    security = Security.temporary()
    pem = {
        "ca": security.tls_ca_file,
        "cert": security.tls_worker_cert,
        "key": security.tls_worker_key,
    }
    document = manifests.cluster(
        *(name, namespace),
        image=chosen["image"],
        workers=workers,
        threads=plan.threads or 1,
        memory=plan.memory,
        limits=chosen.get("limits", {}),
        pull_secrets=chosen.get("pull_secrets", []),
    )
    cluster = await dask_cluster(document, namespace=namespace, api=api)
    await cluster.create()
    way = _Way(name, namespace, api)
    try:
        secret = manifests.keys(name, namespace, cluster.metadata.uid, pem)
        await (await Secret(secret, namespace=namespace, api=api)).create()
        client = await way.connect(security)
    except BaseException:
        with suppress(Exception):
            await cluster.delete()
        raise

    async def resize(count: int, ended: Sequence[str]) -> None:
        for worker in ended:  # else the operator starts it again, or takes another in its place
            with suppress(kr8s.NotFoundError):
                await (await Deployment.get(worker, namespace=namespace, api=api)).delete()
        group = await worker_group.get(f"{name}-default", namespace=namespace, api=api)
        await group.patch({"spec": {"worker": {"replicas": count}}})

    async def end() -> None:
        await way.close()
        with suppress(kr8s.NotFoundError):
            await cluster.delete()

    return RemoteBackend(client, security, workers, resize, end)


class _Way:
    """The way to a scheduler: its name inside of Kubernetes, else a forwarded port."""

    def __init__(self, name: str, namespace: str, api: Any) -> None:
        self._service = f"{name}-scheduler"
        self._namespace = namespace
        self._api = api
        self._forward: Any = None

    async def connect(self, security: Any) -> Any:
        """Wait for the scheduler and return a client."""
        from distributed import Client

        end = time.monotonic() + settings().start_timeout * 0.75
        service = await self._ready(end)
        host = f"{self._service}.{self._namespace}"
        try:
            await asyncio.get_running_loop().getaddrinfo(host, manifests.PORT)
            address = f"tls://{host}:{manifests.PORT}"
        except socket.gaierror:
            self._forward = service.portforward(manifests.PORT, local_port="auto")
            address = f"tls://127.0.0.1:{await self._forward.start()}"
        while True:
            timeout = max(10.0, end - time.monotonic())
            try:
                return await Client(address, security=security, asynchronous=True, timeout=timeout)
            except OSError:  # what forwards a port may be there before what listens
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(_LOOK)

    async def _ready(self, end: float) -> Any:
        import kr8s
        from kr8s.asyncio.objects import Service

        while time.monotonic() < end:
            with suppress(kr8s.NotFoundError):
                found = await Service.get(
                    self._service, namespace=self._namespace, api=self._api, timeout=2
                )
                if await found.ready():
                    return found
            await asyncio.sleep(_LOOK)
        raise ClusterError(
            f"No scheduler has come for {self._service} in namespace {self._namespace!r}. Look at "
            f"its pods: kubectl -n {self._namespace} get pods; without any, the Dask operator is "
            "not installed, as docs/engines.md shows."
        )

    async def close(self) -> None:
        """Stop forwarding."""
        if self._forward is not None:
            await self._forward.stop()


def _label(name: str) -> str:
    """Return a cluster's name as Kubernetes allows it."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return kept.strip("-")[:30].strip("-") or "cluster"


def _hint(error: Any) -> str:
    status = getattr(error.response, "status_code", None)
    if status == 404:
        return ". The Dask operator is not installed there, as docs/engines.md shows."
    if status == 403:
        return ". You need the right to create daskclusters and secrets in that namespace."
    return ""
