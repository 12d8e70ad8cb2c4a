"""What a panel knows: read from Lepton's Python API, drawn as HTML, written as text or JSON."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol


class Facts(Protocol):
    """What one view shows, with or without widgets."""

    def read(self) -> None:
        """Look at the world."""

    def mark(self) -> Hashable:
        """Return what has to differ before the picture in a notebook's file is drawn anew."""

    def html(self) -> str:
        """Draw it for a page without widgets."""

    def text(self) -> str:
        """Write it for a terminal."""

    def document(self) -> Any:
        """Return it for a program."""


def facts_of(name: str, cluster: str | None) -> Facts:
    """Return the facts of one view, not read yet."""
    from lepton_jlab.panel.facts.clusters import Clusters
    from lepton_jlab.panel.facts.data import Data
    from lepton_jlab.panel.facts.resources import Resources
    from lepton_jlab.panel.facts.runs import Recent

    kinds: dict[str, Callable[[str | None], Facts]] = {
        "clusters": Clusters,
        "runs": Recent,
        "data": Data,
        "resources": Resources,
    }
    return kinds[name](cluster)
