"""A few inputs that travel with a model, with what the model answered and the true labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNT = 16  # kept with a model
_FILE = "samples.npz"


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one model.

    Attributes
    ----------
    inputs
        What the model takes, by name, each of shape ``(count, …)``.
    outputs
        What it answered, by name.
    raw
        What the inputs were before the preprocessing recipe; empty where there is none.
    labels
        The true labels, shape ``(count, …)``, or None where they are not known.
    """

    inputs: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    raw: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    labels: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def save(self, folder: Path) -> None:
        """Write them into a model's folder."""
        arrays: dict[str, Any] = {
            f"{kind}/{name}": plain(values)
            for kind in ("inputs", "outputs", "raw")
            for name, values in getattr(self, kind).items()
        }
        if self.labels is not None:
            arrays["labels"] = plain(self.labels)
        np.savez_compressed(folder / _FILE, **arrays)

    @classmethod
    def load(cls, folder: Path) -> Samples:
        """Read those in a model's folder."""
        parts: dict[str, dict[str, NDArray[Any]]] = {"inputs": {}, "outputs": {}, "raw": {}}
        labels = None
        with np.load(folder / _FILE, allow_pickle=False) as stored:
            for key in stored.files:
                kind, slash, name = key.partition("/")
                if slash:
                    parts[kind][name] = stored[key]
                else:
                    labels = stored[key]
        return cls(**parts, labels=labels)


def spread(count: int, samples: int) -> NDArray[np.int64]:
    """Return so many positions, or fewer, evenly over all samples."""
    count = min(count, samples)
    return (np.arange(count) * samples) // max(count, 1)


def plain(values: Any) -> NDArray[Any]:
    """Return an array as a file can have it: text as fixed-width strings, which need no pickle."""
    array: NDArray[Any] = np.asarray(values)
    if array.dtype.kind in "OT":
        first = array.flat[0] if array.size else ""
        # By way of objects: StringDType does not become "U" by itself.
        array = array.astype(object).astype("S" if isinstance(first, bytes) else "U")
    return array
