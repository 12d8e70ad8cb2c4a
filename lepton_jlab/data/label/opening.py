"""Where the labels of a dataset are, and how some are begun."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_jlab.data.label.events import Log
from lepton_jlab.data.label.labels import Kind, Labels
from lepton_jlab.data.label.showing import fitting_kind
from lepton_jlab.data.store import address, is_url
from lepton_jlab.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from lepton_jlab.data.dataset import Dataset


def open_labels(
    path: str | os.PathLike[str],
    classes: Sequence[str] | None = None,
    kind: Kind | None = None,
    *,
    name: str = "labels",
) -> Labels:
    """Open the labels of a dataset, or begin some.

    Parameters
    ----------
    path
        The dataset, a folder of this machine.
    classes
        Names of the classes, where labels are begun; those of the dataset by default. For labels
        that are there: classes that come after theirs are added.
    kind
        ``"image"``, ``"boxes"`` on images, ``"text"``, ``"plot"`` or ``"row"``; by default what the
        samples look like.
    name
        Of these labels among others of the same dataset: they are in ``PATH`` with this ending.

    Raises
    ------
    NotFoundError
        If there is no such dataset.
    UsageError
        If labels are begun and there are no classes, or the kind does not fit.
    DataError
        If the labels are of another number of samples, or nothing can be written there.
    """
    from lepton_jlab.data.dataset import open_dataset

    dataset = open_dataset(path)
    folder = labels_folder(path, name)
    if not (folder / "zarr.json").is_file():
        chosen = list(classes or dataset.classes or ())
        _check_classes(dataset, chosen)
        attributes = {
            "of": dataset.name,
            "kind": fitting_kind(dataset, kind),
            "classes": chosen,
            "annotators": [],
            "samples": len(dataset),
        }
        Log.create(folder, attributes)
        return Labels(dataset, folder)
    labels = Labels(dataset, folder)
    if kind is not None and kind != labels.kind:
        raise UsageError(
            f"{folder.name} has labels of kind {labels.kind!r}. Begin others for {kind!r}: "
            f"--name {kind}"
        )
    for added in classes or ():
        if added not in labels.classes:
            labels.add_class(added)
    return labels


def labels_folder(path: str | os.PathLike[str], name: str = "labels") -> Path:
    """Return where the labels of a dataset are kept.

    Raises
    ------
    UsageError
        If the dataset is a URL: there is nothing beside it.
    """
    where = address(path)
    if is_url(where):
        raise UsageError(f"{where} is a URL; labels are kept beside a dataset on this machine.")
    if not name.isidentifier():
        raise UsageError(f"{name!r} cannot be the name of labels. Use letters, digits and '_'.")
    place = Path(where)
    return place.with_name(f"{place.name.removesuffix('.zip').removesuffix('.zarr')}.{name}.zarr")


def find_labels(path: str | os.PathLike[str], name: str = "labels") -> Labels:
    """Return labels that are there.

    Raises
    ------
    NotFoundError
        If there are none.
    """
    from lepton_jlab.data.dataset import open_dataset

    folder = labels_folder(path, name)
    if not (folder / "zarr.json").is_file():
        raise NotFoundError(
            f"{Path(path).name} has no {name} yet. Begin: %lepton data label {os.fspath(path)}"
        )
    return Labels(open_dataset(path), folder)


def _check_classes(dataset: Dataset, classes: Sequence[str]) -> None:
    if not classes:
        raise UsageError(
            f"{dataset.name} does not say what classes there are. Name them: --classes cat,dog"
        )
    twice = [name for name, count in Counter(classes).items() if count > 1]
    if twice or not all(name.strip() for name in classes):
        wrong = f"{twice[0]!r} is there twice" if twice else "one is empty"
        raise UsageError(f"Classes need names of their own: {wrong}.")
