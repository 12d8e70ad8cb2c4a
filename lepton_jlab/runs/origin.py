"""Where a submission comes from: the notebook and the cell, as the kernel knows them."""

from __future__ import annotations

import os
import sys


def origin() -> dict[str, str | None]:
    """Return the ``notebook`` (a path) and the ``cell`` (its id) that are being executed.

    Both are None in a terminal, and where the front end does not say.
    """
    name = os.environ.get("JPY_SESSION_NAME", "")
    return {"notebook": name if name.endswith(".ipynb") else None, "cell": _cell()}


def _cell() -> str | None:
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    parent = kernel.get_parent("shell") or {}
    cell = parent.get("metadata", {}).get("cellId")
    return cell if isinstance(cell, str) else None
