"""Which datasets a run will read, as far as its source and what it takes along tell."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lepton_jlab.runs.capture.bring import Captured


def addresses(source: str, captured: Captured, namespace: Mapping[str, Any]) -> list[str]:
    """Return absolute paths and URLs of datasets that come along or are opened by a literal."""
    found = list(_opened(source))
    if "lepton_jlab.data.dataset" in sys.modules:  # else there is none in the namespace
        from lepton_jlab.data.dataset import Dataset

        names = [name for payload in captured.payloads for name in payload.names]
        found += [held.path for name in names if isinstance(held := namespace.get(name), Dataset)]
    return list(dict.fromkeys(found))


def _opened(source: str) -> Iterator[str]:
    if "open_dataset" not in source:
        return
    try:
        tree = ast.parse(source)
    except SyntaxError:  # magics of IPython; such a cell says nothing here
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            path = node.args[0].value
            if name == "open_dataset" and isinstance(path, str):
                yield path if "://" in path else str(Path(path).expanduser().absolute())
