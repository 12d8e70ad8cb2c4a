"""What can be imported: one module per format, found by itself when it has the three names below.

A module of this folder is a source if it has `FORM`, `accepts` and `load` (see `Source`); nothing
else needs to change for a new format.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lepton_jlab.errors import DataError, NotFoundError, UsageError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Samples(Protocol):
    """What can be written: read by slices of the first axis, as a NumPy array or memory map."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __getitem__(self, rows: slice, /) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True)
class ArrayForm:
    """What an array says besides its values.

    Attributes
    ----------
    dims
        Names of its axes; None for those that imports give.
    attributes
        Such as its unit.
    fill_value
        What stands for a missing value; None for Zarr's.
    """

    dims: tuple[str | None, ...] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    fill_value: Any = None


@dataclass(frozen=True, slots=True)
class PartForm:
    """What a part says besides its samples.

    Attributes
    ----------
    attributes
        Those of its group; the entry ``lepton`` is its schema.
    arrays
        The forms of its arrays, by name.
    others
        Arrays that do not share the axis of samples, such as coordinates of other axes.
    """

    attributes: dict[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, ArrayForm] = field(default_factory=dict)
    others: Mapping[str, Samples] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Arrays to be written, by part and name.

    Attributes
    ----------
    parts
        Arrays by name for each part: ``""`` is the dataset itself, ``"test"`` one inside it.
    origin
        Where they came from, for people.
    classes
        Names of the classes that integers in ``y`` stand for.
    notes
        What else the dataset's attributes should say.
    forms
        What a part says of itself and of its arrays, where the source says it.
    """

    parts: Mapping[str, Mapping[str, Samples]]
    origin: str
    classes: list[str] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    forms: Mapping[str, PartForm] = field(default_factory=dict)


class Source(Protocol):
    """A format. `FORM` names it in messages, as in "NumPy archives (.npz)"."""

    FORM: str

    def accepts(self, source: str) -> bool:
        """Whether `source`, a name or a path that exists, is of this format."""

    def load(self, source: str, label: str | None, /) -> Loaded:
        """Read it; `label` names the column or array that becomes ``y``."""


def sources() -> list[Source]:
    """Return all formats."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules: list[Any] = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return [module for module in modules if hasattr(module, "FORM")]


def find_source(source: str) -> Source:
    """Return the format of `source`.

    Raises
    ------
    NotFoundError
        If it is neither a known name nor an existing path.
    DataError
        If no format fits; the message lists them.
    """
    known = sources()
    for form in known:
        if form.accepts(source):
            return form
    path = Path(source).expanduser()
    forms = "; ".join(form.FORM for form in known)
    if not path.exists():
        beside = [str(path.with_name(p.name)) for p in path.parent.glob("[!.]*")]
        names = [name for form in known for name in getattr(form, "NAMES", ())]
        near = suggestion(source, [*names, *beside])
        raise NotFoundError(
            f"There is no {source}, neither a file nor a name.{near} Known: {forms}."
        )
    raise DataError(f"{source} is of no known format. Known: {forms}.")


def without_label(label: str | None, form: str) -> None:
    """Refuse a `label` where it has no meaning."""
    if label is not None:
        raise UsageError(f"{form} have no columns to choose from: leave out the label {label!r}.")


def with_channel(images: NDArray[Any]) -> NDArray[Any]:
    """Return grey images ``(samples, height, width)`` with the channel axis that Conv2D expects."""
    return images[..., np.newaxis] if images.ndim == 3 and images.dtype == np.uint8 else images


def numbered(values: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
    """Return class numbers in the smallest type that holds them, and the sorted class names."""
    names, numbers = np.unique(values.astype(str), return_inverse=True)
    return numbers.astype(np.min_scalar_type(max(0, len(names) - 1))), names.tolist()
