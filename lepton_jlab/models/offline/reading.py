"""Reads blocks of samples: chunks decoded by threads straight into one array."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lepton_jlab.data.stream.chunks import Chunks
from lepton_jlab.data.stream.memory import cores
from lepton_jlab.data.stream.report import Meter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.column import Column


class Reader:
    """Reads stretches of several arrays.

    Parameters
    ----------
    columns
        By input name.
    """

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = dict(columns)
        self._meter = Meter()
        self._chunks: dict[str, Chunks] = {}
        for name, column in self._columns.items():
            whole = isinstance(column.all_rows, slice)  # not a split, whose samples lie scattered
            chunks = Chunks(name, column.zarr) if whole else None
            if chunks is not None and chunks.raw and chunks.fast:
                self._chunks[name] = chunks
        asked = [chunks.width for chunks in self._chunks.values() if chunks.width is not None]
        # Where chunks come over a network, as many requests at once as it has use for.
        threads = max([cores(), *asked])
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lepton-decode")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def read(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return samples `start` to `stop` of each array.

        Raises
        ------
        DataError
            If a chunk cannot be read; it is named.
        """
        return {name: self._one(name, start, stop) for name in self._columns}

    def _one(self, name: str, start: int, stop: int) -> NDArray[Any]:
        chunks = self._chunks.get(name)
        if chunks is None or start % chunks.length:
            return self._columns[name].read(start, stop)
        length = chunks.length
        numbers = range(start // length, -(-stop // length))
        values = np.empty((len(numbers) * length, *chunks.shape[1:]), chunks.dtype)

        def load(number: int) -> None:
            first = number * length - start
            chunks.load(number, values[first : first + length], self._meter)

        list(self._pool.map(load, numbers))
        return values[: stop - start]
