"""netCDF files, by xarray: variables that share their first dimension, with units and axes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.sources import ArrayForm, Loaded, PartForm, Samples
from lepton_jlab.errors import DataError, MissingDependencyError, UsageError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORM = "netCDF (.nc)"
_READERS = ("h5netcdf", "scipy")  # of version 4, and of the classic one


def accepts(source: str) -> bool:
    """Whether `source` is such a file by its name."""
    path = Path(source).expanduser()
    return path.suffix.lower() in (".nc", ".nc4", ".cdf") and path.is_file()


def load(source: str, label: str | None) -> Loaded:
    """Open the file; samples are read as they are written.

    The axis of samples is the first one of the largest variable. ``label`` names the variable that
    becomes y; where there is one other variable along that axis it is x.
    """
    try:
        import xarray
    except ImportError as error:
        raise MissingDependencyError("xarray, which reads netCDF,", "formats") from error
    try:
        opened = xarray.open_dataset(Path(source).expanduser())
    except ImportError as error:
        raise MissingDependencyError("h5netcdf or scipy, which read netCDF,", "formats") from error
    except (OSError, ValueError) as error:
        if "IO backends" in str(error) and not all(map(find_spec, _READERS)):
            raise MissingDependencyError(
                "h5netcdf or scipy, which read netCDF,", "formats"
            ) from error
        raise DataError(f"{source} cannot be read as netCDF: {error}") from error
    known = {str(name): opened[name] for name in opened.data_vars if opened[name].ndim}
    if not known:
        raise DataError(f"{source} has no variable with an axis of samples.")
    if label is not None and label not in known:
        near = suggestion(label, known) or f" There are: {', '.join(known)}."
        raise UsageError(f"{source} has no variable {label!r}.{near}")
    axis = max(known.values(), key=lambda variable: variable.size).dims[0]
    own = {name: v for name, v in known.items() if v.dims[0] == axis}
    others = {name: np.asarray(v) for name, v in known.items() if name not in own}
    others |= {str(n): np.asarray(v) for n, v in opened.coords.items() if v.ndim and n != axis}
    roles = {"y": label} if label else {}
    inputs = [name for name in own if name != label]
    if len(inputs) == 1:
        roles["x"] = inputs[0]
    arrays: dict[str, Samples] = {name: Variable(v) for name, v in own.items()}
    forms = {
        name: ArrayForm(tuple(map(str, v.dims)), _attributes(v)) for name, v in known.items()
    } | {
        str(n): ArrayForm(tuple(map(str, v.dims)), _attributes(v)) for n, v in opened.coords.items()
    }
    schema = {"roles": roles} if roles else {}
    said = {"lepton": schema, **_plain(opened.attrs)}
    return Loaded({"": arrays}, source, forms={"": PartForm(said, forms, others)})


class Variable:
    """A variable that is read by slices of its first axis."""

    def __init__(self, variable: Any) -> None:
        self._variable = variable
        self.shape: tuple[int, ...] = tuple(variable.shape)
        kind = np.dtype(variable.dtype)
        self.dtype = np.dtype(np.dtypes.StringDType()) if kind.kind == "O" else kind

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        return np.asarray(self._variable[rows].values, self.dtype)


def _attributes(variable: Any) -> dict[str, Any]:
    return _plain(variable.attrs)


def _plain(attributes: Any) -> dict[str, Any]:
    return {
        str(key): value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
        for key, value in attributes.items()
    }
