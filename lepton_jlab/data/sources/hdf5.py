"""Arrays in an HDF5 file, by their names; groups train, test and val are parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.sources import Loaded, Samples, numbered
from lepton_jlab.data.sources.npz import place
from lepton_jlab.errors import DataError, MissingDependencyError, UsageError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORM = "HDF5 (.h5, .hdf5)"


def accepts(source: str) -> bool:
    """Whether `source` is such a file by its name."""
    path = Path(source).expanduser()
    return path.suffix.lower() in (".h5", ".hdf5", ".hdf") and path.is_file()


def load(source: str, label: str | None) -> Loaded:
    """Open the file; samples are read as they are written."""
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError("h5py, which reads HDF5,", "formats") from error
    try:
        file = h5py.File(Path(source).expanduser(), "r")
    except OSError as error:
        raise DataError(f"{source} cannot be read as HDF5: {error}") from error
    found: dict[str, Any] = {}
    file.visititems(lambda name, item: found.update({name: item} if _is_array(item) else {}))
    if label is not None and label not in found:
        near = suggestion(label, found) or f" There are: {', '.join(found)}."
        raise UsageError(f"{source} has no array {label!r}.{near}")
    parts: dict[str, dict[str, Samples]] = {}
    classes = None
    for name, item in found.items():
        part, plain = place(name.replace("/", "_"), label and label.replace("/", "_"))
        values: Samples = Stored(item)
        if item.dtype.kind == "O" and plain == "y":
            values, classes = numbered(np.asarray(item.asstr()[:]))
        parts.setdefault(part, {})[plain] = values
    if len(found) == 1:
        parts = {"": {"x": next(iter(next(iter(parts.values())).values()))}}
    return Loaded(parts, source, classes)


def _is_array(item: Any) -> bool:
    return hasattr(item, "dtype") and len(item.shape) > 0


@dataclass(frozen=True, slots=True)
class Stored:
    """An HDF5 array, read by slices of its first axis."""

    item: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(samples, …)``."""
        return tuple(self.item.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The stored dtype; that of strings for texts."""
        kind = np.dtype(self.item.dtype)
        return np.dtype(np.dtypes.StringDType()) if kind.kind == "O" else kind

    @property
    def stored_together(self) -> int:
        """Samples in a stored chunk."""
        return int((self.item.chunks or (1,))[0])

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        try:
            read = self.item.asstr()[rows] if self.dtype.kind == "T" else self.item[rows]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self.item.name} cannot be read: {error}") from error
        return np.asarray(read, self.dtype)
