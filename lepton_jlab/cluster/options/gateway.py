"""What ``--engine gateway`` takes."""

from __future__ import annotations

from typing import Any

from lepton_jlab.cluster.options.reading import pairs, plain
from lepton_jlab.errors import UsageError

NEEDS = "dask_gateway"
OPTIONS = ("gateway", "auth", "image", "settings")
_AUTH = ("basic", "kerberos", "jupyterhub")


def check(given: dict[str, Any]) -> dict[str, Any]:
    """Return `given` with `settings` as pairs.

    Raises
    ------
    UsageError
        For a value that cannot be.
    """
    given = plain(dict(given))
    if "gateway" in given and not given["gateway"].startswith(("http://", "https://")):
        raise UsageError(
            f"--gateway {given['gateway']!r} is no address: http://host:8000 or https://host"
        )
    if given.get("auth", "basic") not in _AUTH:
        raise UsageError(f"--auth {given['auth']!r} is none of {', '.join(_AUTH)}.")
    if "settings" in given:
        given["settings"] = pairs(given["settings"], "--settings")
    return given
