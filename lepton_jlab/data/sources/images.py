"""A folder of images, one folder per class; with folders train and test around them or without."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.sources import Loaded, Samples, without_label
from lepton_jlab.data.store import is_zarr
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORM = "folders of images by class (cats/1.png, dogs/2.jpg …)"

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
PARTS = {"train": "", "training": "", "test": "test", "testing": "test", "val": "val"}
PARTS |= {"valid": "val", "validation": "val"}


def accepts(source: str) -> bool:
    """Whether `source` is a folder with folders that hold images."""
    root = Path(source).expanduser()
    if is_zarr(root):  # its many folders hold chunks
        return False
    return any(_images(folder) for level in ("*", "*/*") for folder in _folders(root, level))


def load(source: str, label: str | None) -> Loaded:
    """List the images; they are decoded as they are written.

    They come in a random order, the same each time, because training reads samples that lie
    together together: sorted by class they would never mix.
    """
    without_label(label, FORM)
    root = Path(source).expanduser()
    tops = _folders(root, "*")
    parted = bool(tops) and all(top.name.lower() in PARTS for top in tops)
    roots = {PARTS[top.name.lower()]: top for top in tops} if parted else {"": root}
    if "" not in roots:
        raise DataError(f"{source} has {', '.join(t.name for t in tops)}, but no folder train.")
    classes = sorted({f.name for r in roots.values() for f in _folders(r, "*") if _images(f)})
    found = {part: _labelled(top, classes) for part, top in roots.items()}
    shape, mode = _common_form([path for files in found.values() for path, _ in files])
    parts: dict[str, dict[str, Samples]] = {
        part: {
            "x": ImageFiles([path for path, _ in files], shape, mode),
            "y": np.array([n for _, n in files], np.min_scalar_type(len(classes) - 1)),
        }
        for part, files in found.items()
    }
    return Loaded(parts, source, classes, {"order": "random, seed 0"})


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Images of one size as an array of shape (samples, height, width, channels), uint8."""

    files: Sequence[Path]
    size: tuple[int, int, int]
    mode: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(samples, height, width, channels)``."""
        return (len(self.files), *self.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint8."""
        return np.dtype(np.uint8)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        with ThreadPoolExecutor() as pool:  # Pillow decodes without the GIL
            return np.stack(list(pool.map(self._decode, self.files[rows])))

    def _decode(self, path: Path) -> NDArray[Any]:
        from PIL import Image

        try:
            with Image.open(path) as image:
                return np.asarray(image.convert(self.mode)).reshape(self.size)
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(f"{path} cannot be read as an image: {error}") from error


def _folders(root: Path, pattern: str) -> list[Path]:
    return sorted(p for p in root.glob(pattern) if p.is_dir() and not p.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    return sorted(
        p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
    )


def _labelled(root: Path, classes: list[str]) -> list[tuple[Path, int]]:
    files = [
        (path, classes.index(folder.name))
        for folder in _folders(root, "*")
        for path in _images(folder)
    ]
    return [files[i] for i in np.random.default_rng(0).permutation(len(files))]


def _common_form(files: list[Path]) -> tuple[tuple[int, int, int], str]:
    """Return the (height, width, channels) and the Pillow mode that all images have in common."""
    from PIL import Image

    sizes: dict[tuple[int, int], Path] = {}
    grey = True
    for path in files:
        try:
            with Image.open(path) as image:  # reads the header only
                sizes.setdefault(image.size, path)
                grey = grey and image.mode in ("L", "1")
                if image.mode.startswith(("I", "F")):
                    raise DataError(f"{path} has more than 8 bits a pixel; convert it first.")
        except (OSError, SyntaxError) as error:
            raise DataError(f"{path} cannot be read as an image: {error}") from error
    if len(sizes) > 1:
        (a, first), (b, second) = list(sizes.items())[:2]
        raise DataError(
            f"The images are not all of one size: {first} is {a[0]} by {a[1]}, "
            f"{second} is {b[0]} by {b[1]}. Resize or crop them first."
        )
    width, height = next(iter(sizes))
    return (height, width, 1 if grey else 3), "L" if grey else "RGB"
