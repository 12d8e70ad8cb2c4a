"""Datasets below the server's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lepton_jlab.errors import UsageError
from lepton_jlab.server.lab import Lab
from lepton_jlab.server.tasks import Task

_WORKS = "lepton_jlab.server.works"
_REMOTE = ("https://", "http://", "s3://", "gs://")


def list_all(lab: Lab) -> dict[str, Any]:
    """Return the datasets below the root."""
    from lepton_jlab.data import find_datasets
    from lepton_jlab.data.tiers.places import tier_of

    rows = []
    for row in find_datasets(lab.root):
        path = lab.named(row["path"])
        if path is not None:
            rows.append({**row, "path": path, "place": tier_of(row["path"])})
    return {"datasets": rows}


def info(lab: Lab, path: str) -> dict[str, Any]:
    """Return what is stored in a dataset."""
    return _located(lab, _open(lab, path).info())


def preview(lab: Lab, path: str, count: int = 12, start: int = 0) -> dict[str, Any]:
    """Return a few samples."""
    from lepton_jlab.data.samples import samples

    return samples(_open(lab, path), start, count)


def labels(lab: Lab, path: str) -> dict[str, Any]:
    """Count the labels of a dataset."""
    from lepton_jlab.data.samples import label_counts

    return {"labels": label_counts(_open(lab, path))}


def diff(lab: Lab, path: str, old: str, new: str | None = None) -> dict[str, Any]:
    """Compare two versions of a dataset, or one with the dataset as it is."""
    from lepton_jlab.data.storage import diff

    return diff(_folder(lab, path), old, new)


def versions(lab: Lab, path: str) -> dict[str, Any]:
    """Return the versions of a dataset."""
    from lepton_jlab.data.storage import sizes, versions

    place = _folder(lab, path)
    rows = versions(place)
    return {"versions": rows, "sizes": sizes(place) if rows else None}


def import_(lab: Lab, source: str, path: str, **options: Any) -> Task:
    """Make a dataset from a known collection, or from files below the root."""
    goal = options.pop("for", None)
    given, place = source_of(lab, source), lab.path(path)
    arguments = {"source": given, "dest": str(place), "goal": goal, **options}

    def work(task: Task) -> Any:
        return _located(lab, task.apart(f"{_WORKS}:import_dataset", arguments))

    return lab.tasks.start("data import", f"Import {source} as {path}", work)


def snapshot(lab: Lab, path: str, name: str) -> Task:
    """Keep a dataset as it is."""
    arguments = {"path": str(_folder(lab, path)), "name": name}

    def work(task: Task) -> Any:
        return task.apart(f"{_WORKS}:snapshot", arguments)

    return lab.tasks.start("data snapshot", f"Keep {path} as {name}", work)


def restore(lab: Lab, path: str, name: str, force: bool = False) -> Task:
    """Bring a version back."""
    arguments = {"path": str(_folder(lab, path)), "name": name, "force": force}

    def work(task: Task) -> Any:
        return task.apart(f"{_WORKS}:restore", arguments)

    return lab.tasks.start("data restore", f"Restore {name} of {path}", work)


def verify(lab: Lab, path: str) -> Task:
    """Check every chunk."""
    place = _folder(lab, path)

    def work(task: Task) -> Any:
        return task.apart(f"{_WORKS}:verify", {"path": str(place)})

    return lab.tasks.start("data verify", f"Check {path}", work)


def tier(
    lab: Lab,
    path: str,
    policy: str | None = None,
    importance: int | None = None,
    dry_run: bool = False,
) -> Task:
    """Say how a dataset is to be kept, and move it."""
    place = _folder(lab, path)

    arguments = {"path": str(place), "policy": policy, "importance": importance}

    def work(task: Task) -> Any:
        return task.apart(f"{_WORKS}:apply_tier", {**arguments, "dry_run": dry_run})

    return lab.tasks.start("data tier", f"Move {path}" if policy else f"Tier of {path}", work)


def _folder(lab: Lab, path: str) -> Path:
    return lab.path(path)


def _open(lab: Lab, path: str) -> Any:
    from lepton_jlab.data import open_dataset

    return open_dataset(_folder(lab, path))


def _located(lab: Lab, info: dict[str, Any]) -> dict[str, Any]:
    """Name a dataset, and those inside it, by their paths below the root."""
    groups = {name: _located(lab, one) for name, one in info["groups"].items()}
    return {**info, "path": lab.named(info["path"]) or info["name"], "groups": groups}


def source_of(lab: Lab, source: str) -> str:
    """Return what an import takes for `source`: a collection, a URL, or a path below the root.

    Raises
    ------
    UsageError
        When it is a path outside of the root.
    """
    from lepton_jlab.completion import COLLECTIONS

    if source in COLLECTIONS or source.startswith(("keras:", *_REMOTE)):
        return source
    if "://" in source:
        raise UsageError(f"{source!r}: addresses begin with {', '.join(_REMOTE)}.")
    return str(lab.path(source))
