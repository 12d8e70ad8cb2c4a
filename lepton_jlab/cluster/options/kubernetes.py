"""What ``--engine kubernetes`` takes."""

from __future__ import annotations

import re
from typing import Any

from lepton_jlab.cluster.options.reading import pairs, plain, words
from lepton_jlab.errors import UsageError

NEEDS = "kr8s"
OPTIONS = ("image", "namespace", "limits", "pull_secrets")
REQUIRED = ("image",)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check(given: dict[str, Any]) -> dict[str, Any]:
    """Return `given` with `limits` as pairs and `pull_secrets` as a list.

    Raises
    ------
    UsageError
        When there is no image, or a value cannot be.
    """
    given = plain(dict(given))
    if "image" not in given:
        raise UsageError(
            "Engine 'kubernetes' needs --image: one with Lepton in it, as docs/engines.md shows."
        )
    if "namespace" in given and not _LABEL.fullmatch(given["namespace"]):
        raise UsageError(f"--namespace {given['namespace']!r} is no name of a namespace.")
    if "limits" in given:
        given["limits"] = pairs(given["limits"], "--limits")
    if "pull_secrets" in given:
        given["pull_secrets"] = words(given["pull_secrets"], "--pull-secrets")
    return given
