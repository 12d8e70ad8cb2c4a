"""Connection files: how kernels, servers and terminals find the clusters of this machine."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import tempfile
from pathlib import Path
from typing import Any

import psutil

from lepton_jlab.config import runtime_folder
from lepton_jlab.errors import ClusterError, NotFoundError, UsageError, suggestion

_PREFIX = "lepton-cluster-"
_handles: dict[tuple[int, float], int] = {}  # pidfds of living hosts, readable once they end
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def path_of(name: str) -> Path:
    """Return where the connection file of cluster `name` is, or would be.

    Raises
    ------
    UsageError
        When `name` cannot be a part of a file's name.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a cluster's name. Use letters, digits, '_', '.' and '-'."
        )
    return runtime_folder() / f"{_PREFIX}{name}.json"


def names() -> list[str]:
    """Return the names of all connection files, oldest first, without looking into them."""
    files = runtime_folder().glob(f"{_PREFIX}*.json")
    return [f.stem.removeprefix(_PREFIX) for f in sorted(files, key=_age)]


def claim(name: str, info: dict[str, Any]) -> None:
    """Take `name` for this process, so that no two hosts share it.

    Raises
    ------
    ClusterError
        When a living host has it already.
    """
    temporary = _write_temporary(info)
    try:
        refuse_taken(name)
        os.link(temporary, path_of(name))
    except FileExistsError:
        raise ClusterError(f"A cluster named {name!r} is being started right now.") from None
    finally:
        temporary.unlink()


def refuse_taken(name: str) -> None:
    """Raise a ClusterError when a living host has that name."""
    if read(name) is not None:
        raise ClusterError(
            f"A cluster named {name!r} runs already. Use it: %lepton cluster use {name}, "
            f"stop it: %lepton cluster stop {name}, or choose another --name."
        )


def write(name: str, info: dict[str, Any]) -> None:
    """Replace the connection file of `name`, readable by this user alone."""
    _write_temporary(info).replace(path_of(name))


def remove(name: str) -> None:
    """Remove the connection file of `name`, if it is there."""
    path_of(name).unlink(missing_ok=True)


def read(name: str) -> dict[str, Any] | None:
    """Return what the file of `name` says, or None when its host is dead (what it left is cleared).

    The process is looked at, not the address: connecting to a dead scheduler blocks for 30 s.
    """
    path = path_of(name)
    try:
        info: dict[str, Any] = json.loads(path.read_text())
        if process_lives(info["pid"], info["created"]):
            return info
        shutil.rmtree(info["scratch"], ignore_errors=True)
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, KeyError, TypeError):
        pass  # no host wrote that
    path.unlink(missing_ok=True)
    path.with_suffix(".log").unlink(missing_ok=True)
    return None


def find(name: str) -> dict[str, Any]:
    """Return what the connection file of a living cluster says.

    Raises
    ------
    NotFoundError
        When no living cluster has that name.
    """
    info = read(name)
    if info is None:
        raise not_found(name)
    return info


def living() -> list[dict[str, Any]]:
    """Return what all living hosts' files say, oldest first; files of the dead are cleared."""
    return [info for name in names() if (info := read(name)) is not None]


def not_found(name: str) -> NotFoundError:
    """Make the error that says which clusters there are instead."""
    running = [info["name"] for info in living()]
    listed = ", ".join(map(repr, running)) or "none"
    return NotFoundError(
        f"No cluster named {name!r}.{suggestion(name, running)} Running: {listed}. "
        f"Start one: %lepton cluster start --name {name}"
    )


def process_lives(pid: int, created: float) -> bool:
    """Tell whether process `pid` still is the one that was created at `created` (s since epoch)."""
    handle = _handles.get((pid, created))
    if handle is not None:  # 2 µs, where reading /proc anew takes 200
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(0):
            return True
        if _handles.pop((pid, created), None) is not None:
            os.close(handle)
        return False
    try:
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        process = psutil.Process(pid)
        lives = process.status() != psutil.STATUS_ZOMBIE
        lives = lives and abs(process.create_time() - created) < 1.0
    except (psutil.NoSuchProcess, ProcessLookupError):
        lives = False
    if handle is not None:
        if lives:
            _handles[pid, created] = handle
        else:
            os.close(handle)
    return lives


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _write_temporary(info: dict[str, Any]) -> Path:
    # mkstemp makes the file with mode 0600: there is no moment in which others can read the keys.
    handle, name = tempfile.mkstemp(dir=runtime_folder(), prefix=".lepton-")
    with os.fdopen(handle, "w") as file:
        json.dump(info, file)
    return Path(name)
