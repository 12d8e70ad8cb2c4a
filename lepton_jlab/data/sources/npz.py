"""Arrays in a NumPy archive, by their names: x and y, x_train … y_test, images and labels."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np

from lepton_jlab.data.sources import Loaded, numbered
from lepton_jlab.errors import DataError, UsageError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORM = "NumPy archives (.npz)"

X_NAMES = {"x", "image", "images", "data", "features", "inputs"}
Y_NAMES = {"y", "label", "labels", "target", "targets"}
PARTS = {"train": "", "test": "test", "val": "val", "valid": "val", "validation": "val"}
LARGE = 16 << 20  # bytes
LOCAL_HEADER = "<4s5H3I2H"  # of a member of a zip file; the lengths that follow it come last
READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
IN_PART = re.compile(rf"^(?:({'|'.join(PARTS)})_(.+)|(.+)_({'|'.join(PARTS)}))$", re.IGNORECASE)


def accepts(source: str) -> bool:
    """Whether `source` is a .npz file."""
    return source.endswith(".npz") and Path(source).is_file()


def load(source: str, label: str | None) -> Loaded:
    """Read the arrays; an array ``classes`` or ``class_names`` of strings names the classes."""
    try:
        arrays = read_npz(Path(source))
    except (ValueError, OSError, EOFError, BadZipFile) as error:  # ValueError: Python objects
        raise DataError(f"{source} cannot be read as a NumPy archive: {error}") from error
    return arrange(arrays, source, label)


def arrange(arrays: dict[str, Any], origin: str, label: str | None) -> Loaded:
    """Return named arrays by their parts; `arrays` gives those up that name the classes."""
    named = arrays.pop("classes", arrays.pop("class_names", None))
    if label is not None and label not in arrays:
        near = suggestion(label, arrays) or f" There are: {', '.join(arrays)}."
        raise UsageError(f"{origin} has no array {label!r}.{near}")
    parts: dict[str, dict[str, NDArray[Any]]] = {}
    for name, values in arrays.items():
        part, plain = place(name, label)
        parts.setdefault(part, {})[plain] = values
    if len(arrays) == 1:
        parts = {"": {"x": next(iter(arrays.values()))}}
    classes = None if named is None else [str(name) for name in named]
    return Loaded(*_number_strings(parts, origin, classes))


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays by name; large ones that are not compressed stay in the file, mapped."""
    with np.load(path, allow_pickle=False) as archive:
        members = {info.filename: info for info in archive.zip.infolist()}
        arrays = {}
        for name in archive.files:
            member = members.get(f"{name}.npy", members.get(name))
            mapped = member and _mapped(path, archive.zip, member)
            arrays[name] = archive[name] if mapped is None else mapped
        return arrays


def _mapped(path: Path, archive: ZipFile, member: ZipInfo) -> NDArray[Any] | None:
    """Map a member into memory, or return None where it is compressed or small."""
    if member.compress_type != ZIP_STORED or member.file_size < LARGE:
        return None
    with archive.open(member) as file:
        while file.read(1 << 20):  # at its end the checksum is compared, as when it is read whole
            pass
    with path.open("rb") as file:
        file.seek(member.header_offset)
        *_, name_length, extra_length = struct.unpack(LOCAL_HEADER, file.read(30))
        file.seek(name_length + extra_length, os.SEEK_CUR)
        version = np.lib.format.read_magic(file)
        read = READ_HEADER.get(version)
        if read is None:
            return None
        shape, columns_first, dtype = read(file)
        if dtype.hasobject:
            raise ValueError("Python objects are not read")
        order: Literal["F", "C"] = "F" if columns_first else "C"
        return np.memmap(path, dtype, "r", file.tell(), shape, order)


def place(name: str, label: str | None) -> tuple[str, str]:
    """Return the part and the plain name: ``"test_images"`` is ``("test", "x")``."""
    found = IN_PART.match(name)
    part, plain = "", name
    if found:
        before, after = found.group(1), found.group(4)
        part, plain = PARTS[(before or after).lower()], found.group(2) or found.group(3)
    if name == label or (label is None and plain.lower() in Y_NAMES):
        return part, "y"
    return part, "x" if plain.lower() in X_NAMES else plain


def _number_strings(
    parts: dict[str, dict[str, Any]], origin: str, classes: list[str] | None
) -> tuple[dict[str, dict[str, Any]], str, list[str] | None]:
    """Turn labels that are strings into class numbers, the same in all parts."""
    labelled = [part for part in parts.values() if "y" in part and part["y"].dtype.kind in "US"]
    if labelled:
        together, classes = numbered(np.concatenate([part["y"].astype(str) for part in labelled]))
        ends = np.cumsum([len(part["y"]) for part in labelled])[:-1]
        for part, values in zip(labelled, np.split(together, ends), strict=True):
            part["y"] = values
    return parts, origin, classes
