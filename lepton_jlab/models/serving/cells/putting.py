"""Takes a cell with all that it uses to an endpoint."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lepton_jlab.errors import UsageError
from lepton_jlab.models.places import split_name
from lepton_jlab.models.serving.client import Endpoint
from lepton_jlab.models.serving.deploying import plan_of, put
from lepton_jlab.runs import records
from lepton_jlab.runs.capture import analyse, capture


def serve_cell(
    source: str,
    name: str,
    *,
    namespace: Mapping[str, Any] | None = None,
    filename: str = "<serve>",
    model: str | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Endpoint:
    """Serve the functions that a cell defines; again with the same name, replace what is served.

    Each function whose name does not begin with ``_`` answers ``POST /NAME``: the JSON object of a
    request has its arguments, by its type hints. With a `model` the cell knows that as ``model``,
    and the endpoint serves it beside by the protocols of models.

    Parameters
    ----------
    source : str
        The cell. The names of `namespace` that it uses come along as they do for runs.
    name : str
        Of the endpoint.
    model : str, optional
        ``NAME`` or ``NAME:VERSION``.
    options
        Those of `lepton.deploy`.

    Raises
    ------
    UsageError
        If the cell is no valid Python, uses a name that is nowhere, or has no function to serve.
    """
    if not source.strip():
        raise UsageError("%%lepton serve: the cell is empty.")
    given = ("model",) if model else ()
    if model and "model" in (assigned := analyse(source).assigned):
        raise UsageError(
            f"The cell sets `model` itself (line {assigned['model']}); it is what --model {model} "
            "gives. Call one of them something else."
        )
    captured = capture(source, namespace or {}, params=given)
    payloads = []
    for payload in captured.payloads:
        path = records.payload_folder() / payload.digest
        if path.exists():
            path.touch()
        else:
            payload.write(path)
        payloads.append(str(path))
    cell = {
        "source": source,
        "filename": filename,
        "payloads": payloads,
        "cwd": str(Path.cwd()),
        "sys_path": [os.path.abspath(p) for p in sys.path if p],  # noqa: PTH100 (no resolving)
    }
    of, version = split_name(model) if model else (None, None)
    endpoint = put(plan_of(name, of, version, cell=cell, **options), progress)
    endpoint.brought = captured.brought
    return endpoint
