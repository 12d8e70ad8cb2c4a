"""IDX files, the format of MNIST: a file, or a folder with train-… and t10k-… files; also .gz."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.sources import Loaded, Samples, with_channel, without_label
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORM = "IDX files as of MNIST (…-idx3-ubyte[.gz], or a folder of them)"

NAME = re.compile(r"(^|[-.])idx\d-|\.idx(\.gz)?$")
TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def accepts(source: str) -> bool:
    """Whether `source` is an IDX file by its name, or a folder with such files."""
    path = Path(source).expanduser()
    if path.is_dir():
        return any(NAME.search(p.name) and p.is_file() for p in path.iterdir())
    return bool(NAME.search(path.name)) and path.is_file()


def load(source: str, label: str | None) -> Loaded:
    """Read images and labels; grey images get a channel axis."""
    without_label(label, FORM)
    path = Path(source).expanduser()
    if path.is_file():
        return Loaded({"": _pair(path)}, origin=source)
    files = sorted(p for p in path.iterdir() if NAME.search(p.name) and p.is_file())
    images = [p for p in files if "label" not in p.name]
    test = [p for p in images if p.name.startswith(("t10k", "test"))]
    train = [p for p in images if p not in test]
    if len(train) > 1 or len(test) > 1 or not images:
        names = ", ".join(p.name for p in files)
        raise DataError(f"{source}: which of these are the images is not clear: {names}.")
    if not train:
        return Loaded({"": _pair(test[0])}, origin=source)
    parts = {"": _pair(train[0])} | ({"test": _pair(test[0])} if test else {})
    return Loaded(parts, origin=source)


def _pair(images: Path) -> dict[str, Samples]:
    """Return the images and, where there is such a file beside them, their labels."""
    found: dict[str, Samples] = {"x": with_channel(read_idx(images))}
    stem = images.name.removesuffix(".gz")
    name = re.sub(r"idx\d", "idx1", stem.replace("images", "labels"))
    for beside in (images.with_name(name), images.with_name(f"{name}.gz")):
        if name != stem and beside.is_file():
            found["y"] = read_idx(beside)
            break
    return found


def read_idx(path: Path) -> NDArray[Any]:
    """Return the array in an IDX file, in this machine's byte order.

    Raises
    ------
    DataError
        If it is not IDX, or shorter than it says.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise DataError(f"{path} is not an IDX file: it begins with {data[:4].hex(' ')}.")
    dtype, rank = np.dtype(TYPES[data[2]]), data[3]
    shape = tuple(int(n) for n in np.frombuffer(data[4 : 4 + 4 * rank], ">u4"))
    body = data[4 + 4 * rank :]
    if len(shape) != rank or len(body) != int(np.prod(shape)) * dtype.itemsize:
        raise DataError(f"{path} is damaged: {len(body)} bytes do not make the shape {shape}.")
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
