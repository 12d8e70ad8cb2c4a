"""What the workers and runs of all clusters of this machine use, as their hosts tell it."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from typing import Any

from lepton_jlab.cluster import clusters
from lepton_jlab.errors import LeptonError
from lepton_jlab.runs.meter import machine

_PATIENCE = 0.3  # seconds; a host that takes longer is heard at the next look

_questions: dict[tuple[str, int], Future[Any]] = {}  # by name and pid of the host


def usage() -> dict[str, dict[str, Any]]:
    """Ask all hosts at once.

    Returns
    -------
    dict
        ``workers`` by ``"CLUSTER/WORKER"``, and ``runs`` by id, as `Host.usage` says; the ``pid``
        of a run is None where it is another machine's; ``links`` by cluster, of those with workers
        at several places, as `Links.document` says. Hosts that do not answer are left out.
    """
    running = {(one.name, one.file["pid"]): one for one in clusters()}
    for gone in set(_questions) - set(running):
        _questions.pop(gone).cancel()
    for host in set(running) - set(_questions):
        with suppress(LeptonError):
            _questions[host] = running[host].channel.ask("usage")
    done, _ = wait(_questions.values(), _PATIENCE)
    found: dict[str, dict[str, Any]] = {"workers": {}, "runs": {}, "links": {}}
    for (name, pid), question in list(_questions.items()):
        if question not in done:
            continue
        del _questions[name, pid]
        with suppress(LeptonError, CancelledError, OSError):
            answer = question.result()
            for worker, told in answer["workers"].items():
                found["workers"][f"{name}/{worker}"] = told
            if len(answer["links"]["places"]) > 1:
                found["links"][name] = answer["links"]
            for run, told in answer["runs"].items():
                local = told["machine"] == machine()
                found["runs"][run] = {**told, "pid": told["pid"] if local else None}
    return found
