"""Processes of other machines, whose connection files lie in a home folder that is shared.

A process id says nothing about another machine, so such a process is judged by its address.
"""

from __future__ import annotations

import socket
import time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_PATIENCE = 0.5  # s for a connection
_KEPT = 10.0  # s for which a verdict holds: those who look come twice a second
_verdicts: dict[str, tuple[float, bool | None]] = {}


@cache
def machine() -> list[str]:
    """Return what this machine is known by: its name, and its kernel's start.

    Either will do to be the same one: a container that was started anew has another name, and a
    machine that was started anew another kernel.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    return [socket.gethostname(), *([boot.read_text().strip()] if boot.exists() else [])]


def is_elsewhere(info: dict[str, Any]) -> bool:
    """Tell whether a connection file is of another machine."""
    return set(info.get("machine", machine())).isdisjoint(machine())


def answers(info: dict[str, Any]) -> bool | None:
    """Tell whether a process of another machine listens; None where that cannot be known here."""
    address = urlsplit(info.get("control") or info.get("url") or "")
    if address.hostname is None or address.hostname.startswith("127."):
        return None
    asked, verdict = _verdicts.get(address.netloc, (0.0, None))
    if time.monotonic() - asked > _KEPT or not asked:
        verdict = _connects(address.hostname, address.port or 0)
        _verdicts[address.netloc] = time.monotonic(), verdict
    return verdict


def _connects(host: str, port: int) -> bool | None:
    try:
        socket.create_connection((host, port), _PATIENCE).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return None  # the way is shut, or the machine is down for a while
    return True
