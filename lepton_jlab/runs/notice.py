"""Workers that are told to leave, and where the processes of one run meet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


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
