"""Pascal VOC: a folder with ``Annotations/*.xml`` and ``JPEGImages/*.png``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from lepton_jlab.data.label.formats.pictures import file_name, sample_of, write_pictures
from lepton_jlab.errors import DataError, UsageError

if TYPE_CHECKING:
    from lepton_jlab.data.label.formats import Given
    from lepton_jlab.data.label.labels import Labels, Policy

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def write(labels: Labels, path: Path, policy: Policy) -> None:
    """Write one XML file for each labelled image; pixels count from 1, as VOC's do."""
    from lepton_jlab.data.label.formats import opinions

    if labels.kind != "boxes":
        raise UsageError("Pascal VOC is for boxes; labels of whole samples go into a .csv file.")
    given = list(opinions(labels, policy))
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        sizes = write_pictures(labels.dataset, new / "JPEGImages", [one.sample for one in given])
        (new / "Annotations").mkdir()
        for one in given:
            root = ElementTree.Element("annotation")
            _text(root, "folder", "JPEGImages")
            _text(root, "filename", file_name(one.sample))
            size = ElementTree.SubElement(root, "size")
            width, height = sizes[one.sample]
            for tag, pixels in (("width", width), ("height", height), ("depth", 3)):
                _text(size, tag, pixels)
            for name, box in one.labels:
                thing = ElementTree.SubElement(root, "object")
                _text(thing, "name", name)
                place = ElementTree.SubElement(thing, "bndbox")
                assert box is not None
                x, y, wide, high = box
                for tag, value in zip(_CORNERS, (x + 1, y + 1, x + wide, y + high), strict=True):
                    _text(place, tag, f"{value:g}")
            ElementTree.indent(root)
            file = (new / "Annotations" / file_name(one.sample)).with_suffix(".xml")
            file.write_bytes(ElementTree.tostring(root))
        if path.exists():
            shutil.rmtree(path)
        new.rename(path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def read(_labels: Labels, path: Path) -> Iterator[Given]:
    """Yield what each file says; the number in its name is the number of the sample."""
    from lepton_jlab.data.label.formats import Given

    files = sorted(path.rglob("*.xml"))
    if not files:
        raise DataError(f"{path} has no .xml files of Pascal VOC.")
    for file in files:
        try:
            root = ElementTree.fromstring(file.read_text())  # noqa: S314 - the user's own files
            sample = sample_of(root.findtext("filename") or file.name, None)
            found: list[Any] = []
            for thing in root.iter("object"):
                corners = [float(thing.findtext(f"bndbox/{tag}") or "") for tag in _CORNERS]
                left, top, right, low = corners
                box = (left - 1, top - 1, right - left + 1, low - top + 1)
                found.append((thing.findtext("name") or "", box))
        except (ElementTree.ParseError, ValueError) as error:
            raise DataError(f"{file} is no annotation of Pascal VOC: {error}") from error
        yield Given(sample, found)


def _text(parent: ElementTree.Element, tag: str, value: object) -> None:
    ElementTree.SubElement(parent, tag).text = str(value)
