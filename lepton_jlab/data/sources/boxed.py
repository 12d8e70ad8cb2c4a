"""Images with boxes: a COCO document, or a folder of Pascal VOC."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from lepton_jlab.data.sources import Loaded, Samples, without_label
from lepton_jlab.data.store import is_zarr
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORM = "boxes on images (COCO .json, Pascal VOC folders)"

Boxes = list[tuple[str, tuple[float, float, float, float]]]


def accepts(source: str) -> bool:
    """Whether `source` is a COCO document, or a folder with VOC's annotations."""
    path = Path(source).expanduser()
    if path.is_dir():
        return not is_zarr(path) and any((path / "Annotations").glob("*.xml"))
    return path.suffix.lower() == ".json" and path.is_file()


def load(source: str, label: str | None) -> Loaded:
    """Read the annotations; images are decoded as they are written.

    ``x`` has the images in the upper left of the size that holds all, ``size`` their height and
    width. ``boxes`` has x, y, width and height in pixels, shape ``(samples, most, 4)``, and ``y``
    their classes; places without a box are NaN and -1.
    """
    without_label(label, FORM)
    path = Path(source).expanduser()
    files, given, classes = _voc(path) if path.is_dir() else _coco(path)
    if not files:
        raise DataError(f"{source} has no images.")
    sizes, grey = _sizes(files)
    most = max(1, *(len(boxes) for boxes in given))
    boxes = np.full((len(files), most, 4), np.nan, np.float32)
    kinds = np.full((len(files), most), -1, np.int32)
    for row, some in enumerate(given):
        for place, (name, box) in enumerate(some):
            boxes[row, place], kinds[row, place] = box, classes.index(name)
    height, width = sizes.max(axis=0).tolist()
    arrays: dict[str, Samples] = {
        "x": Images(files, (height, width, 1 if grey else 3)),
        "y": kinds,
        "boxes": boxes,
        "size": sizes,
    }
    return Loaded({"": arrays}, source, classes)


@dataclass(frozen=True, slots=True)
class Images:
    """Images of several sizes, each in the upper left of the largest; uint8."""

    files: Sequence[Path]
    size: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(samples, height, width, channels)``."""
        return (len(self.files), *self.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint8."""
        return np.dtype(np.uint8)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        from PIL import Image

        some = self.files[rows]
        made = np.zeros((len(some), *self.size), np.uint8)
        for place, file in enumerate(some):
            try:
                with Image.open(file) as image:
                    values = np.asarray(image.convert("L" if self.size[2] == 1 else "RGB"))
            except (OSError, ValueError, SyntaxError) as error:
                raise DataError(f"{file} cannot be read as an image: {error}") from error
            made[place, : values.shape[0], : values.shape[1]] = np.atleast_3d(values)
        return made


def _coco(path: Path) -> tuple[list[Path], list[Boxes], list[str]]:
    try:
        document = json.loads(path.read_text())
        names = {one["id"]: str(one["name"]) for one in document["categories"]}
        images = {one["id"]: str(one["file_name"]) for one in document["images"]}
        given: dict[Any, Boxes] = {number: [] for number in images}
        for one in document["annotations"]:
            if "bbox" in one:
                x, y, width, height = map(float, one["bbox"])
                given[one["image_id"]].append((names[one["category_id"]], (x, y, width, height)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no COCO document: {type(error).__name__} {error}") from error
    files = [_beside(path.parent, name) for name in images.values()]
    return files, list(given.values()), list(dict.fromkeys(names.values()))


def _voc(root: Path) -> tuple[list[Path], list[Boxes], list[str]]:
    files: list[Path] = []
    given: list[Boxes] = []
    for path in sorted((root / "Annotations").glob("*.xml")):
        try:
            tree = ElementTree.parse(path)  # noqa: S314 - entities are not expanded by expat
            name = tree.findtext("filename") or f"{path.stem}.jpg"
            some: Boxes = []
            for one in tree.iterfind("object"):
                a, b, c, d = (
                    float(one.findtext(f"bndbox/{side}") or "nan")
                    for side in ("xmin", "ymin", "xmax", "ymax")
                )
                some.append((str(one.findtext("name")), (a, b, c - a, d - b)))
        except (ElementTree.ParseError, ValueError, OSError) as error:
            raise DataError(f"{path} is no annotation of Pascal VOC: {error}") from error
        files.append(_beside(root, name))
        given.append(some)
    return files, given, sorted({name for some in given for name, _ in some})


def _beside(root: Path, name: str) -> Path:
    """Return the image of that name; it may be in one of the usual folders."""
    for folder in ("", "JPEGImages", "images", "train2017", "val2017"):
        if (root / folder / name).is_file():
            return root / folder / name
    raise DataError(f"The image {name} is not in {root}, nor in JPEGImages or images there.")


def _sizes(files: Sequence[Path]) -> tuple[NDArray[np.int32], bool]:
    """Return height and width of each image, and whether all are grey."""
    from PIL import Image

    sizes, grey = [], True
    for file in files:
        try:
            with Image.open(file) as image:  # reads the header only
                sizes.append((image.height, image.width))
                grey = grey and image.mode in ("L", "1")
        except (OSError, SyntaxError) as error:
            raise DataError(f"{file} cannot be read as an image: {error}") from error
    return np.array(sizes, np.int32), grey
