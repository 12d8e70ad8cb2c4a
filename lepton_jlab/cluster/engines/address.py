"""Engine `ADDRESS`: a scheduler that somebody else runs, adopted with its workers."""

from __future__ import annotations

from pathlib import Path

from lepton_jlab.cluster.backend import AdoptedBackend, Backend
from lepton_jlab.cluster.plan import Plan
from lepton_jlab.errors import ClusterError


async def make(plan: Plan, scratch: Path) -> Backend:  # noqa: ARG001 (one protocol for all engines)
    """Connect to the scheduler at `plan.engine`.

    Raises
    ------
    ClusterError
        When nobody answers there, or the keys are not the scheduler's.
    """
    from distributed import Client, Security

    security = Security(
        require_encryption=plan.engine.startswith("tls://"),
        tls_ca_file=plan.tls_ca,
        tls_client_cert=plan.tls_cert,
        tls_client_key=plan.tls_key,
    )
    try:
        client = await Client(plan.engine, security=security, asynchronous=True, timeout=10)
    except (OSError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"No scheduler answers at {plan.engine}: {error}. Check the address and the TLS files."
        ) from error
    return AdoptedBackend(client, security)
