"""Labels in the files of other tools; each format is a module with `write` and `read`.

By the name of the file or folder: ``.csv``, ``.json`` (COCO), a folder (Pascal VOC).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from lepton_jlab.data.label.labels import Labels, Policy
from lepton_jlab.errors import DataError, NotFoundError, UsageError

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Given:
    """What a file says of one sample: classes by name, each with its box or None for the whole."""

    sample: int
    labels: list[tuple[str, Box | None]]
    annotator: str | None = None


def export_labels(
    labels: Labels,
    target: str | os.PathLike[str],
    policy: Policy = "majority",
    *,
    force: bool = False,
) -> Path:
    """Write labels for another tool.

    Parameters
    ----------
    target
        ``NAME.csv`` (every label of every annotator), ``NAME.json`` (COCO), or a folder (Pascal
        VOC); the last two have one opinion on each sample, by `policy` for classes and the latest
        for boxes, and the pictures beside.
    force
        Replace what is there.

    Raises
    ------
    UsageError
        If the format has no place for such labels.
    DataError
        If it is there already, or cannot be written.
    """
    path = Path(target).expanduser().absolute()
    if path.exists() and not force:
        raise DataError(f"{path} is there already. Add --force, or choose another name.")
    if not path.parent.is_dir():
        raise DataError(f"There is no folder {path.parent} to write {path.name} into.")
    try:
        _module(path).write(labels, path, policy)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from error
    return path


def import_labels(labels: Labels, source: str | os.PathLike[str], annotator: str) -> int:
    """Add the labels of a file or folder, and return of how many samples.

    Nothing is added unless all of it fits.

    Parameters
    ----------
    annotator
        Who gave them, where the file does not say.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DataError
        If it cannot be read, or names samples or classes that are not there.
    """
    path = Path(source).expanduser().absolute()
    if not path.exists():
        raise NotFoundError(f"There is no {path} to import labels from.")
    found = list(_module(path).read(labels, path))
    unknown = {name for given in found for name, _ in given.labels} - set(labels.classes)
    if unknown:
        raise DataError(
            f"{path.name} has the class {sorted(unknown)[0]!r}, which is none of "
            f"{', '.join(labels.classes)}. Add it: --classes {sorted(unknown)[0]}"
        )
    for given in found:
        if not 0 <= given.sample < len(labels.dataset):
            raise DataError(
                f"{path.name} names sample {given.sample}; {labels.dataset.name} has "
                f"{len(labels.dataset):,}."
            )
    for given in found:
        who = given.annotator or annotator
        boxes = [(name, box) for name, box in given.labels if box is not None]
        if labels.kind == "boxes":
            labels.give_boxes(given.sample, boxes, who)
        else:
            labels.give(given.sample, given.labels[0][0], who)
    return len(found)


def opinions(labels: Labels, policy: Policy) -> Iterator[Given]:
    """Yield one opinion on each labelled sample."""
    if labels.kind != "boxes":
        for sample, label in labels.consensus(policy).items():
            yield Given(sample, [(labels.classes[label], None)])
        return
    for sample in sorted(labels.done()):
        events = labels.of(sample)
        last = max(event.action for event in events)
        named = [(labels.name_of(e.label), e.box) for e in events if e.action == last]
        yield Given(sample, [(name, box) for name, box in named if name is not None])


def _module(path: Path) -> ModuleType:
    kind = {".csv": "csv", ".json": "coco", "": "voc"}.get(path.suffix.lower())
    if kind is None:
        raise UsageError(
            f"{path.name}: labels are in NAME.csv, NAME.json (COCO) or a folder (Pascal VOC)."
        )
    return import_module(f"{__name__}.{kind}")
