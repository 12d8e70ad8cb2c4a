"""Says what importance and policy a dataset has, and moves it where they want it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from lepton_jlab.data.tiers import accesses
from lepton_jlab.data.tiers.guarding import known_path
from lepton_jlab.data.tiers.moving import move
from lepton_jlab.data.tiers.overview import overview


def apply(
    path: str | os.PathLike[str],
    *,
    policy: str | None = None,
    importance: int | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Any]:
    """Give a dataset an importance and a policy, and move it if a policy is given.

    Parameters
    ----------
    path
        The dataset.
    policy
        ``"hot"``, ``"warm"``, ``"cold"`` or ``"auto"``; None leaves it where it is.
    importance
        0 to 5; None leaves it as it is.
    dry_run
        Change nothing, only return what would be.
    progress
        Called with (bytes done, bytes in all, what is being done).

    Returns
    -------
    dict
        ``dataset``: its row of `overview`, as it was or would be before the move; ``moved``: what
        the move did, or None.
    """
    own = known_path(path)
    rows = overview({own: {"importance": importance, "policy": policy}})
    row = next(row for row in rows if row["path"] == own)
    moved = None
    if not dry_run and (policy, importance) != (None, None):
        accesses.keep(own, importance=importance, policy=policy)
        if policy is not None and row["to"] not in (None, row["tier"]):
            moved = move(own, row["to"], progress=progress).to_dict()
    return {"dataset": row, "moved": moved}
