"""The processes of a run with `--replicas`, as each sees them, and what they do together."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lepton_jlab.errors import UsageError
from lepton_jlab.replicas.ring import Ring

if TYPE_CHECKING:
    from numpy.typing import NDArray

Op = Literal["mean", "sum", "min", "max"]
_COMBINE = {"mean": np.add, "sum": np.add, "min": np.minimum, "max": np.maximum}


class Group:
    """All ranks, of which this process is one.

    Parameters
    ----------
    rank, world : int
        Its number among so many.
    ring : Ring, optional
        The way to the others; None for one alone.
    """

    def __init__(self, rank: int = 0, world: int = 1, ring: Ring | None = None) -> None:
        self.rank = rank
        self.world = world
        self._ring = ring
        self._lock = threading.Lock()  # TensorFlow may call from any of its threads

    @property
    def failure(self) -> Exception | None:
        """Why the others cannot be reached any more, or None."""
        return None if self._ring is None else self._ring.failure

    def reduce(self, values: NDArray[Any], op: Op, name: str) -> None:
        """Combine a contiguous array of shape ``(n,)`` with those of all ranks, in place."""
        if self._ring is None:
            return
        with self._lock:
            self._ring.reduce(values, _COMBINE[op], name)
        if op == "mean":
            np.divide(values, self.world, out=values, casting="unsafe")

    def reduced(self, arrays: Sequence[NDArray[Any]], op: Op, name: str) -> list[NDArray[Any]]:
        """Return arrays of any shape combined with those of all ranks; each dtype travels once."""
        arrays = [np.asarray(array) for array in arrays]
        found: list[NDArray[Any]] = list(arrays)
        if self._ring is None:
            return found
        for dtype in dict.fromkeys(array.dtype for array in arrays):
            chosen = [i for i, array in enumerate(arrays) if array.dtype == dtype]
            flat = np.concatenate([arrays[i].ravel() for i in chosen])
            self.reduce(flat, op, name)
            cuts = np.cumsum([arrays[i].size for i in chosen])[:-1]
            for i, part in zip(chosen, np.split(flat, cuts), strict=True):
                found[i] = part.reshape(arrays[i].shape)
        return found

    def broadcast(self, arrays: Sequence[NDArray[Any]], name: str) -> list[NDArray[Any]]:
        """Return rank 0's arrays, of the same shapes and dtypes as those given."""
        arrays = [np.asarray(array) for array in arrays]
        if self._ring is None or not arrays:
            return list(arrays)
        flat = np.concatenate([np.ravel(array).view(np.uint8) for array in arrays])
        with self._lock:
            self._ring.broadcast(flat, name)
        cuts = np.cumsum([array.nbytes for array in arrays])[:-1]
        parts = zip(np.split(flat, cuts), arrays, strict=True)
        return [part.view(array.dtype).reshape(array.shape) for part, array in parts]

    def told(self, words: Any, name: str) -> Any:
        """Return what rank 0 gives as `words`, which is JSON-ready."""
        data = np.frombuffer(json.dumps(words).encode(), np.uint8)
        size = np.array([len(data)])
        (size,) = self.broadcast([size], name)
        own = data.copy() if self.rank == 0 else np.zeros(int(size[0]), np.uint8)
        return json.loads(self.broadcast([own], name)[0].tobytes())

    def close(self) -> None:
        """Let the others go."""
        if self._ring is not None:
            self._ring.close()


_group = Group()


def group() -> Group:
    """Return the group of this process: itself alone, outside a run with `--replicas`."""
    return _group


def set_group(new: Group) -> None:
    """Make `new` the group of this process."""
    global _group
    _group = new


def rank() -> int:
    """Return the number of this process among those that train one model, from 0.

    0 in a notebook, and in a run without ``--replicas``.
    """
    return _group.rank


def world() -> int:
    """Return how many processes train one model: the N of ``--replicas N``, else 1."""
    return _group.world


def all_reduce(values: Any, op: Op = "mean") -> Any:
    """Combine numbers of all ranks; every rank must call it, and gets the same.

    Parameters
    ----------
    values : number, array, tensor, or a list, tuple or dict of them
        Of the same shapes and dtypes on each rank.
    op : {"mean", "sum", "min", "max"}
        How they are combined, element by element.

    Returns
    -------
    The same structure. Tensors come back as tensors, also in a `tf.function` (without
    ``jit_compile``), everything else as NumPy arrays or numbers. In one process: `values`.

    Raises
    ------
    UsageError
        `op` is none of these, or a value is no number.
    RunError
        Another rank has gone, or does something else.

    Examples
    --------
    >>> import lepton_jlab as lepton
    >>> lepton.all_reduce(3.0)
    3.0
    """
    if op not in _COMBINE:
        raise UsageError(f"all_reduce(op={op!r}): there are {', '.join(_COMBINE)}.")
    if _group.world == 1:
        return values
    leaves: list[Any] = []
    rebuild = _take_apart(values, leaves)
    if any(hasattr(leaf, "graph") for leaf in leaves):  # tensors of a tf.function being traced
        import tensorflow as tf

        def combine(*arrays: Any) -> list[Any]:
            found = _group.reduced([_number(array, op) for array in arrays], op, "all_reduce")
            return [new.astype(old.dtype) for new, old in zip(found, arrays, strict=True)]

        leaves = [tf.convert_to_tensor(leaf) for leaf in leaves]
        results = tf.numpy_function(combine, leaves, [leaf.dtype for leaf in leaves])
        for result, leaf in zip(results, leaves, strict=True):
            result.set_shape(leaf.shape)
        return rebuild(iter(results))
    found = _group.reduced([_number(leaf, op) for leaf in leaves], op, "all_reduce")
    return rebuild(iter([_like(a, leaf) for a, leaf in zip(found, leaves, strict=True)]))


def _take_apart(values: Any, leaves: list[Any]) -> Callable[[Any], Any]:
    """Collect the numbers in `values`; return what puts others in their places."""
    if isinstance(values, Mapping):
        parts = {key: _take_apart(value, leaves) for key, value in values.items()}
        return lambda results: {key: part(results) for key, part in parts.items()}
    if isinstance(values, (list, tuple)):
        inner = [_take_apart(value, leaves) for value in values]
        kind = type(values)
        return lambda results: kind([part(results) for part in inner])
    leaves.append(values)
    return next


def _number(value: Any, op: Op) -> NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.kind not in "biufcV":  # V: bfloat16 and its kin
        raise UsageError(f"all_reduce takes numbers, and this is a {type(value).__name__}.")
    if op == "mean" and array.dtype.kind in "biu":
        return array.astype(np.float64)
    return array.astype(np.int64) if array.dtype.kind == "b" and op == "sum" else array


def _like(array: NDArray[Any], given: Any) -> Any:
    if hasattr(given, "device") and hasattr(given, "numpy"):
        import tensorflow as tf

        return tf.convert_to_tensor(array)
    return array.item() if array.ndim == 0 and not isinstance(given, np.ndarray) else array
