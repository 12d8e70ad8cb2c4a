"""Labels of datasets below the server's folder, and the page on which they are given."""

from __future__ import annotations

import getpass
from typing import Any

from lepton_jlab.server.lab import Lab


def labels(lab: Lab, path: str, name: str = "labels") -> dict[str, Any]:
    """Return how far the labels of a dataset are; null where none are begun."""
    from lepton_jlab.data.label import find_labels
    from lepton_jlab.data.label.opening import labels_folder

    place = lab.path(path)
    if not (labels_folder(place, name) / "zarr.json").is_file():
        return {"labels": None}
    info = find_labels(place, name).info()
    return {"labels": {**info, "dataset": path, "path": lab.named(info["path"])}}


def answer(
    lab: Lab,
    path: str,
    name: str = "labels",
    classes: list[str] | None = None,
    kind: str | None = None,
    annotator: str | None = None,
    order: str = "sequence",
    **request: Any,
) -> dict[str, Any]:
    """Do what a labelling page asks; begin labels where there are none."""
    from lepton_jlab.data.label import open_labels
    from lepton_jlab.data.label.queue import Queue
    from lepton_jlab.data.label.session import ORDERED, Session

    found: Any = open_labels(lab.path(path), classes, kind, name=name)  # type: ignore[arg-type]
    queue = Queue(len(found.dataset), order)  # type: ignore[arg-type]
    session = Session(found, annotator or getpass.getuser(), queue, ORDERED[order])
    return session.answer(request)


def page(_lab: Lab, page: str) -> dict[str, str]:
    """Return a page's module and its look."""
    from lepton_jlab.panel.pages import script, style

    return {"script": script(page), "style": style()}
