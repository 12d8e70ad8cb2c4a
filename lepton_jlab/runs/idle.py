"""GPUs of this machine that are held and do nothing: by whom, and freeing them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.request import Request, urlopen

import psutil

from lepton_jlab.cluster import clusters
from lepton_jlab.cost.waste import IDLE
from lepton_jlab.errors import LeptonError
from lepton_jlab.resources.gpus import look
from lepton_jlab.resources.owners import Owners
from lepton_jlab.runs.meter import machine
from lepton_jlab.runs.usage import usage

Document = dict[str, Any]

_PATIENCE = 2.0  # seconds for the driver, and for each Jupyter server
_GONE = 10.0  # seconds that a process may take to end


def idle_devices() -> list[Document]:
    """Return the GPUs of this machine that somebody holds and nobody uses.

    Returns
    -------
    list of dict
        ``index``, ``uuid``, ``name``, ``use`` (percent), ``memory`` ([used, total] in bytes);
        ``holders``: for each process on it ``pid``, ``memory`` (bytes), ``kind``: ``"kept"`` (a
        child that waits for the next run of its ``--keep``), ``"kernel"`` or ``"process"``; what it
        is called in ``name``; ``user``; ``mine``: whether it is this user's.

    Raises
    ------
    LeptonError
        When the driver does not answer.
    """
    devices, message = look(_PATIENCE)
    if not devices and message and "answer" in message:
        raise LeptonError(message)
    runs = {one["pid"]: run for run, one in usage()["runs"].items() if one["pid"] is not None}
    kept = {one["pid"]: one for one in _kept() if one["machine"] == machine()}
    notebooks: dict[str, str] | None = None
    owners = Owners()
    found = []
    for device in devices:
        owned = [(process, *owners.of(process["pid"], runs)) for process in device["processes"]]
        rests = device["use"] is not None and device["use"] < IDLE  # None: MIG, it does not tell
        if not rests or any(run for _, run, _ in owned) or not owned:
            continue
        if notebooks is None and any(kernel for *_, kernel in owned):
            notebooks = _notebooks()
        holders = [_holder(process, kernel, kept, notebooks or {}) for process, _, kernel in owned]
        keys = ("index", "uuid", "name", "use", "memory")
        found.append({**{key: device[key] for key in keys}, "holders": holders})
    return found


def free(
    devices: Iterable[Mapping[str, Any]], *, force: bool, say: Callable[[str], None]
) -> list[Document]:
    """Free devices as far as that is ours to do.

    Kept children are ended: the next run of their name begins anew. With `force` the notebook
    kernels of this user are shut down, too: their variables are lost, and Jupyter starts them
    again. Other processes are left alone, and so is the kernel that asks.

    Parameters
    ----------
    devices
        Of `idle_devices`.
    say
        Takes one short line for each process that is ended.

    Returns
    -------
    list of dict
        The holders that have ended.
    """
    ended = []
    holders = {one["pid"]: one for device in devices for one in device["holders"]}
    kept = [pid for pid, one in holders.items() if one["kind"] == "kept"]
    if kept:
        say(f"letting go of {len(kept)} kept children")
        _kept(drop=kept)
        ended += [holders[pid] for pid in kept if _has_ended(pid)]
    for pid, one in holders.items():
        if force and one["kind"] == "kernel" and one["mine"] and pid not in _family():
            say(f"shutting down {one['name']}")
            if _shut_down(one["kernel"], pid):
                ended.append(one)
    return ended


def _holder(
    process: Mapping[str, Any],
    kernel: str | None,
    kept: Mapping[int, Document],
    notebooks: Mapping[str, str],
) -> Document:
    pid = process["pid"]
    name, user = f"process {pid}", None
    with suppress(psutil.Error):
        known = psutil.Process(pid)
        name, user = known.name(), known.username()
    kind = "process"
    if pid in kept:
        kind, one = "kept", kept[pid]
        name = f"--keep {one['name']} on {one['cluster']}/{one['worker']}"
    elif kernel:
        kind = "kernel"
        name = f"kernel of {notebooks[kernel]}" if kernel in notebooks else f"kernel {kernel[:8]}"
    mine = user is not None and user == psutil.Process().username()
    return {
        "pid": pid,
        "memory": process["memory"],
        "kind": kind,
        "name": name,
        "kernel": kernel,
        "user": user,
        "mine": mine,
    }


def _kept(drop: Iterable[int] = ()) -> list[Document]:
    """Return the kept children of all clusters of this machine, and let go of some."""
    found = []
    for cluster in clusters():
        with suppress(LeptonError):
            told = cluster.channel.call("kept", drop=list(drop), timeout=5.0)
            found += [{**one, "cluster": cluster.name} for one in told]
    return found


def _notebooks() -> dict[str, str]:
    """Return the notebooks of this user's Jupyter servers by the id of their kernel."""
    from jupyter_server.serverapp import list_running_servers

    found: dict[str, str] = {}
    for server in list_running_servers():
        request = Request(  # noqa: S310 (a server of this user, from its own file)
            f"{server['url']}api/sessions", headers={"Authorization": f"token {server['token']}"}
        )
        with suppress(OSError, ValueError), urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
            found |= {one["kernel"]["id"]: one["path"] for one in json.load(answer)}
    return found


def _shut_down(kernel: str, pid: int) -> bool:
    """Ask a kernel to end by its own protocol; return whether it has."""
    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.connect import find_connection_file

    client = BlockingKernelClient()
    try:
        client.load_connection_file(find_connection_file(f"kernel-{kernel}.json"))
    except OSError:
        return False
    client.start_channels(shell=False, iopub=False, stdin=False, hb=False, control=True)
    try:
        client.shutdown()
        return _has_ended(pid)
    finally:
        client.stop_channels()


def _has_ended(pid: int) -> bool:
    end = time.monotonic() + _GONE
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def _family() -> set[int]:
    """Return this process and those that it was started by."""
    return {os.getpid(), *(one.pid for one in psutil.Process().parents())}
