"""How the endpoints of this machine are found, and how their owner speaks to them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

from lepton_jlab import errors
from lepton_jlab.cluster.connection import Files
from lepton_jlab.errors import LeptonError

ENDPOINTS = Files(
    "endpoint",
    "Stop it: %lepton model stop {name}",
    "Start one: %lepton model deploy {name}",
)


def ask(
    info: dict[str, Any], question: dict[str, Any], progress: Callable[[str], None]
) -> dict[str, Any]:
    """Have an endpoint do something and wait until it is done.

    Parameters
    ----------
    info
        Its connection file.

    Raises
    ------
    LeptonError
        What it answers, or that it is gone.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(info["control"])
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile() as lines:
                for line in map(json.loads, lines):
                    if "ready" in line:
                        return dict(line)
                    if "error" in line:
                        raise getattr(errors, line["kind"], LeptonError)(line["error"])
                    progress(line["progress"])
    except OSError as error:
        raise LeptonError(
            f"Endpoint {info['name']!r} does not answer ({error.strerror}). Its log: {info['log']}"
        ) from None
    raise LeptonError(f"Endpoint {info['name']!r} has ended. Its log: {info['log']}")
