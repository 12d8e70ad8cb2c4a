"""One array of a dataset, lazily read: all of its samples, or the rows that a split chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    import zarr
    from numpy.typing import DTypeLike, NDArray


class Column:
    """An array of shape ``(samples, …)`` that stays on its store until it is indexed.

    Indexing gives NumPy arrays, in the order asked for: ``column[:100]``, ``column[[5, 2]]``,
    ``column[mask]``; ``np.asarray(column)`` reads all of it.

    Parameters
    ----------
    name
        Name of the array in its dataset.
    array
        The open Zarr array.
    rows
        Which of its samples this column consists of, ascending; all of them when None.
    """

    def __init__(self, name: str, array: zarr.Array[Any], rows: NDArray[np.int64] | None) -> None:
        self.name = name
        self.zarr = array
        self._rows = rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(samples, …)``."""
        samples = self.zarr.shape[0] if self._rows is None else len(self._rows)
        return (samples, *self.zarr.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The stored dtype."""
        return np.dtype(self.zarr.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes, that of the samples included."""
        return len(self.zarr.shape)

    @property
    def nbytes(self) -> int:
        """Size when decoded, in bytes (of references only, where the values are strings)."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def dims(self) -> tuple[str | None, ...]:
        """Names of the axes, None where an axis has none."""
        return dimension_names(self.zarr)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        if isinstance(first, slice) and first.step in (None, 1):
            start, stop, _ = first.indices(len(self))
            samples = self.read(start, stop)
        elif isinstance(first, (int, np.integer)) and not isinstance(first, bool):
            position = int(first)
            if not -len(self) <= position < len(self):
                raise IndexError(f"{self.name} has {len(self)} samples; there is no {position}.")
            position %= len(self)
            samples = self.read(position, position + 1)[0]
            return np.asarray(samples[tuple(rest)]) if rest else samples
        else:
            chosen = first if isinstance(first, slice) else np.asarray(first)
            samples = self._pick(np.arange(len(self))[chosen])
        return samples[(slice(None), *rest)] if rest else samples

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        values = self.read(0, len(self))
        return values if dtype is None else values.astype(dtype)

    def __repr__(self) -> str:
        return f"<{self.name}: {self.shape} {self.dtype}>"

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return samples ``start`` to ``stop``, decoding each chunk they lie in once."""
        if self._rows is None:
            return self._read(slice(start, max(start, stop)))
        return self._pick(np.arange(start, stop))

    @property
    def all_rows(self) -> slice | NDArray[np.int64]:
        """Where in the stored array its samples are."""
        return slice(None) if self._rows is None else self._rows

    def rows(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where in the stored array the samples at `positions` are."""
        return positions if self._rows is None else self._rows[positions]

    def cuts(self, step: int) -> NDArray[np.int64]:
        """Return the positions of each `step`-th stored sample, and the number of samples."""
        samples = self.zarr.shape[0]
        edges = np.append(np.arange(0, samples, step), samples)
        if self._rows is None:
            return edges
        return np.unique(np.searchsorted(self._rows, edges))

    def _pick(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        rows = self.rows(positions)
        if len(rows) == 0:
            return self._read(slice(0, 0))
        order = np.unique(rows)  # ascending and once each, so that no chunk is decoded twice
        values = self._read(order)
        return values if np.array_equal(order, rows) else values[np.searchsorted(order, rows)]

    def _read(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        try:
            return np.asarray(
                self.zarr[rows] if isinstance(rows, slice) else self.zarr.oindex[rows]
            )
        except (MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:  # every codec and store has its own kinds
            where = f"{rows.start} to {rows.stop}" if isinstance(rows, slice) else _span(rows)
            raise DataError(
                f"Samples {where} of {self.name!r} in {self.zarr.store_path} cannot be read: "
                f"{type(error).__name__}: {error}"
            ) from error


def dimension_names(array: zarr.Array[Any]) -> tuple[str | None, ...]:
    """Return the names of the axes of a Zarr v3 array, or those that xarray writes into v2."""
    names = getattr(array.metadata, "dimension_names", None)
    if not names:
        names = array.attrs.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, (list, tuple)) or len(names) != len(array.shape):
        return (None,) * len(array.shape)
    return tuple(name if isinstance(name, str) else None for name in names)


def _span(rows: NDArray[np.int64]) -> str:
    return f"{rows[0]} to {rows[-1] + 1}"
