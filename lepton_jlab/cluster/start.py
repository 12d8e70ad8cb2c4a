"""Start a detached process, follow it until it is ready, and leave nothing if it fails."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lepton_jlab import errors
from lepton_jlab.cluster import connection
from lepton_jlab.cluster.plan import Plan
from lepton_jlab.config import settings
from lepton_jlab.errors import ClusterError

_LOG_LINES = 15


def start_host(plan: Plan, progress: Callable[[str], None]) -> None:
    """Start the host process of `plan` and return when its cluster is ready.

    Raises
    ------
    ClusterError
        When it failed or took too long; the end of its log is in the message. KeyboardInterrupt
        ends the half-started host, too.
    """
    start("lepton_jlab.cluster.host", connection.CLUSTERS, plan.name, asdict(plan), progress)


def log_of(name: str) -> Path:
    """Return where the host of cluster `name` writes its log."""
    return connection.CLUSTERS.log_of(name)


def start(
    module: str,
    files: connection.Files,
    name: str,
    document: dict[str, Any],
    progress: Callable[[str], None],
) -> None:
    """Start a detached process and return when it says that it is ready.

    Parameters
    ----------
    module : str
        What it runs: it reads `document` from its standard input, and reports in JSON lines on the
        descriptor that is its argument.
    files : Files
        Where it puts its connection file, and its log beside.

    Raises
    ------
    ClusterError
        When it failed or took too long; the end of its log is in the message. KeyboardInterrupt
        ends what has half started, too.
    """
    log = files.log_of(name)
    read_end, write_end = os.pipe()
    with log.open("wb") as output:
        log.chmod(0o600)
        host = subprocess.Popen(
            [sys.executable, "-m", module, str(write_end)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[write_end],
            start_new_session=True,
            cwd="/",
        )
    os.close(write_end)
    try:
        assert host.stdin is not None
        with host.stdin as stdin:
            stdin.write(json.dumps(document).encode())
        with os.fdopen(read_end, "r") as report:
            _follow(host, report.fileno(), files, name, progress)
    except BaseException:
        _end(host)
        files.read(name)  # clears what a host leaves that had to be killed
        log.unlink(missing_ok=True)
        raise


def _follow(
    host: subprocess.Popen[bytes],
    report: int,
    files: connection.Files,
    name: str,
    progress: Callable[[str], None],
) -> None:
    end = time.monotonic() + settings().start_timeout
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(report, selectors.EVENT_READ)
        while selector.select(max(0.0, end - time.monotonic())):
            part = os.read(report, 65536)
            if not part:
                raise ClusterError(_failure(files, name, f"ended with status {host.wait()}"))
            *lines, pending = (pending + part).split(b"\n")
            for line in map(json.loads, lines):
                if "ready" in line:
                    return
                if "error" in line:
                    raise getattr(errors, line["kind"], ClusterError)(line["error"])
                progress(line["progress"])
    limit = f"was not ready in {settings().start_timeout:g} s"
    raise ClusterError(_failure(files, name, limit))


def _failure(files: connection.Files, name: str, what: str) -> str:
    tail = files.log_of(name).read_text(errors="replace").splitlines()[-_LOG_LINES:]
    shown = "\n".join(f"    {line}" for line in tail) or "    (it wrote nothing)"
    process = "host of cluster" if files is connection.CLUSTERS else files.noun
    return f"The {process} {name!r} {what}. The end of its log:\n{shown}"


def _end(host: subprocess.Popen[bytes]) -> None:
    """End a host that is not to live: politely, so that it can end its workers, then surely."""
    host.terminate()
    try:
        host.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(host.pid, 9)
        host.wait()
