"""What the handlers of one server share: its folder, threads, tasks, sampler and hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_jlab.server.inside import inside, relative
from lepton_jlab.server.pools import Pools
from lepton_jlab.server.tasks import Tasks

if TYPE_CHECKING:
    from lepton_jlab.resources import Sampler
    from lepton_jlab.server.hub import Hub
    from lepton_jlab.server.idleness import Idleness


@dataclass
class Lab:
    """One server's part of Lepton."""

    root: Path
    pools: Pools
    tasks: Tasks
    sampler: Sampler
    hub: Hub
    idleness: Idleness

    def path(self, given: str) -> Path:
        """Return where a path that a browser sent is; UsageError when it is outside of the root."""
        return inside(self.root, given)

    def named(self, path: str | None) -> str | None:
        """Return a path as browsers name it, None for what is outside of the root."""
        return relative(self.root, path)
