"""What ``--engine ssh`` takes."""

from __future__ import annotations

import re
from typing import Any

from lepton_jlab.cluster.options.reading import file, plain, words
from lepton_jlab.errors import UsageError

NEEDS = "asyncssh"
OPTIONS = ("hosts", "user", "port", "key", "python", "folder")
FILES = ("key",)
REQUIRED = ("hosts",)
# A name of ssh_config, a host name, an IPv4 address or an IPv6 address in brackets.
_HOST = re.compile(r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9A-Fa-f:]+\]|[\w.-]+)(?::(?P<port>\d+))?")


def check(given: dict[str, Any]) -> dict[str, Any]:
    """Return `given` with `hosts` as a list of ``{"host", "user", "port"}``.

    Raises
    ------
    UsageError
        When there is no host, or a value cannot be.
    """
    if "hosts" not in given:
        raise UsageError("Engine 'ssh' needs --hosts a,b: the machines to start workers on.")
    given = plain(dict(given))
    port = given.pop("port", None)
    user = given.pop("user", None)
    if port is not None and not 0 < int(port) < 65536:
        raise UsageError(f"--port {port} is no port: 1 to 65535.")
    hosts = []
    for word in words(given["hosts"], "--hosts"):
        found = _HOST.fullmatch(word)
        if found is None:
            raise UsageError(f"--hosts: {word!r} is no host. Write name, user@name or name:port.")
        own = int(found["port"]) if found["port"] else port
        hosts.append(
            {"host": found["host"].strip("[]"), "user": found["user"] or user, "port": own}
        )
    given["hosts"] = hosts
    if "key" in given:
        given["key"] = file(given["key"], "--key")
    return given
