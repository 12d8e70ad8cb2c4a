"""Which HTTP status says what a Lepton error says."""

from __future__ import annotations

from lepton_jlab.errors import (
    ClusterError,
    DataError,
    LeptonError,
    MissingDependencyError,
    NotFoundError,
    RunError,
    UsageError,
)
from lepton_jlab.server.pools import BusyError, LateError

STATUS: dict[type[LeptonError], int] = {
    UsageError: 400,
    DataError: 400,
    NotFoundError: 404,
    ClusterError: 409,
    RunError: 409,
    MissingDependencyError: 501,
    BusyError: 503,
    LateError: 504,
}


def status_of(error: LeptonError) -> int:
    """Return the status of an error, 409 for kinds that came later."""
    return next((code for kind, code in STATUS.items() if isinstance(error, kind)), 409)
