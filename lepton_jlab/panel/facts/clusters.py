"""The clusters that run, and what each worker is doing."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import lepton_jlab as lepton
from lepton_jlab.commands.cluster import views
from lepton_jlab.errors import ClusterError
from lepton_jlab.granted import granted
from lepton_jlab.runs.views import page

NONE = "No cluster runs. Start one: %lepton cluster start"


class Clusters:
    """All clusters, or one of them."""

    def __init__(self, cluster: str | None = None) -> None:
        self._only = cluster
        self.infos: list[dict[str, Any]] = []  # as `Cluster.info` gives them
        self.silent: dict[str, str] = {}  # what is wrong with those that do not answer, by name

    def read(self) -> None:
        """Ask every cluster."""
        infos, silent = [], {}
        for cluster in lepton.clusters():
            if self._only in (None, cluster.name):
                try:
                    infos.append(cluster.info())
                except ClusterError as error:  # it is ending, or hangs: the others are shown
                    silent[cluster.name] = str(error)
        self.infos, self.silent = infos, silent

    def mark(self) -> Hashable:
        """Return names and numbers of workers."""
        return tuple((info["name"], len(info["workers"])) for info in self.infos)

    def html(self) -> str:
        """Draw all clusters, with their workers."""
        drawn = "".join(views(info)[1] for info in self.infos)
        return (drawn or page.frame(page.note(NONE))) + self.notes_html()

    def text(self) -> str:
        """Write all clusters, with their workers."""
        written = [views(info)[0] for info in self.infos] or [NONE]
        return "\n\n".join([*written, *self.notes])

    def document(self) -> list[dict[str, Any]]:
        """Return what the clusters say of themselves."""
        return self.infos

    @property
    def notes(self) -> list[str]:
        """What there is to say besides: who does not answer, and what is granted here."""
        return [*self.silent.values(), *filter(None, [granted().sentence])]

    def notes_html(self) -> str:
        """Draw the notes."""
        return page.frame(*map(page.note, self.notes)) if self.notes else ""
