"""Kernelspecs: how a running cluster is offered in Jupyter's launcher.

Each is a folder in the Jupyter data directory, written by the cluster's host and removed when the
cluster stops; what a killed host has left is removed by the next who looks.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir

from lepton_jlab.cluster.connection import process_lives
from lepton_jlab.cluster.handle import OWN_CLUSTER

PROVISIONER = "lepton"
_PREFIX = "lepton-"


def offer(cluster: str, worker: str | None, about: str, host: tuple[int, float]) -> str:
    """Write a kernelspec and return its name.

    Parameters
    ----------
    cluster, worker : str
        Where the kernel will live; any free worker if `worker` is None.
    about : str
        What the launcher says beside the cluster's name.
    host : (int, float)
        Pid of the cluster's host and when it was created (s since the epoch).
    """
    name = _name(cluster, worker)
    own: dict[str, Any] = {"cluster": cluster} | ({} if worker is None else {"worker": worker})
    document = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"Lepton: {cluster} ({about})",
        "language": "python",
        "env": {OWN_CLUSTER: cluster},
        "metadata": {
            "kernel_provisioner": {"provisioner_name": PROVISIONER, "config": own},
            "lepton": {**own, "host": list(host)},
        },
    }
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder, prefix="._"))
    (made / "kernel.json").write_text(json.dumps(document, indent=1))
    shutil.rmtree(folder / name, ignore_errors=True)
    made.replace(folder / name)
    return name


def withdraw(cluster: str, worker: str | None) -> None:
    """Remove one kernelspec of a cluster, if it is there."""
    shutil.rmtree(_folder() / _name(cluster, worker), ignore_errors=True)


def withdraw_all(cluster: str) -> None:
    """Remove all kernelspecs of a cluster."""
    for path, document in _all():
        if document["cluster"] == cluster:
            shutil.rmtree(path, ignore_errors=True)


def clear_stale() -> None:
    """Remove the kernelspecs of hosts that are dead."""
    for path, document in _all():
        if not process_lives(*document["host"]):
            shutil.rmtree(path, ignore_errors=True)


def offered(cluster: str | None = None) -> list[dict[str, Any]]:
    """Return ``name``, ``cluster``, ``worker`` and ``display_name`` of all that are offered."""
    found = []
    for path, document in _all():
        if cluster in (None, document["cluster"]):
            own = {"cluster": document["cluster"], "worker": document.get("worker")}
            found.append({"name": path.name, **own, "display_name": document["display_name"]})
    return found


def _all() -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in sorted(_folder().glob(f"{_PREFIX}*/kernel.json")):
        with suppress(OSError, ValueError, KeyError):
            document = json.loads(file.read_text())
            own = {"display_name": document["display_name"], **document["metadata"]["lepton"]}
            yield file.parent, own


def _folder() -> Path:
    return Path(jupyter_data_dir()) / "kernels"


def _name(cluster: str, worker: str | None) -> str:
    """Return a kernel's name, of the characters that Jupyter allows."""
    name = cluster if worker is None else f"{cluster}-worker-{worker}"
    return _PREFIX + re.sub(r"[^a-z0-9._-]", "-", name.lower())
