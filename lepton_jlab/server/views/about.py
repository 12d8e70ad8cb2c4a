"""The server itself: what can be chosen in forms, long operations, what the machine does."""

from __future__ import annotations

import importlib.util
from typing import Any

from lepton_jlab import __version__
from lepton_jlab.server.lab import Lab


def about(lab: Lab) -> dict[str, Any]:
    """Return what there is to choose from."""
    from lepton_jlab.cluster.options import installed
    from lepton_jlab.completion import COLLECTIONS
    from lepton_jlab.grammar import CODECS
    from lepton_jlab.grammar.engines import engine_options
    from lepton_jlab.granted import granted

    share = granted()
    return {
        "version": __version__,
        "root": str(lab.root),
        "gpus": len(lab.sampler.gpus()),
        "cpus": share.cores,
        "memory": share.memory,
        "granted": share.sentence,
        "tensorflow": importlib.util.find_spec("tensorflow") is not None,
        "engines": list(installed()),
        "engine_options": engine_options(),
        "codecs": list(CODECS),
        "sources": list(COLLECTIONS),
    }


def resources(lab: Lab, seconds: float = 3600) -> dict[str, Any]:
    """Return what the machine, workers and runs have used."""
    return lab.sampler.history(seconds)


def idle(lab: Lab) -> dict[str, Any]:
    """Return in how many seconds the idle server is ended; None when that is not near."""
    from lepton_jlab.granted import granted

    return {"ends_in": lab.idleness.ends_in(), "binder": granted().on_binder}


def keep(lab: Lab) -> None:
    """Be active, so that the server is not ended."""
    lab.idleness.touch()
    lab.hub.poke("idle")


def tasks(lab: Lab) -> dict[str, Any]:
    """Return the long operations."""
    return {"tasks": [task.to_dict() for task in lab.tasks.all()]}


def task(lab: Lab, id: str) -> dict[str, Any]:  # noqa: A002
    """Return a long operation."""
    return lab.tasks.get(id).to_dict()


def cancel(lab: Lab, id: str) -> dict[str, Any]:  # noqa: A002
    """Cancel a long operation."""
    return lab.tasks.cancel(id).to_dict()


def description(_lab: Lab) -> dict[str, Any]:
    """Return the OpenAPI description."""
    from lepton_jlab.server.openapi import describe

    return describe()
