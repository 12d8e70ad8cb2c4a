"""A batch: an array, a tuple of arrays or a dict of arrays, and what is done to all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def leaves(batch: Any) -> list[Any]:
    """Return the arrays of a batch."""
    if isinstance(batch, dict):
        return [leaf for part in batch.values() for leaf in leaves(part)]
    if isinstance(batch, (tuple, list)):
        return [leaf for part in batch for leaf in leaves(part)]
    return [] if batch is None else [batch]


def each(function: Callable[..., Any], batch: Any, *others: Any) -> Any:
    """Return the batch with `function` applied to each array, and to those of `others` beside it.

    Raises
    ------
    ValueError
        If the others do not have the same form.
    """
    if isinstance(batch, dict):
        if any(not isinstance(other, dict) or set(other) != set(batch) for other in others):
            raise ValueError("the names differ")
        return {k: each(function, v, *(other[k] for other in others)) for k, v in batch.items()}
    if not others and isinstance(batch, tuple):  # what nearly all batches are
        return tuple([each(function, part) for part in batch])
    if isinstance(batch, (tuple, list)):
        if any(not isinstance(o, (tuple, list)) or len(o) != len(batch) for o in others):
            raise ValueError("the number of arrays differs")
        parts = zip(batch, *others, strict=True)
        return tuple(each(function, *part) for part in parts)
    if any(isinstance(other, (dict, tuple, list)) for other in others):
        raise ValueError("some have several arrays where others have one")
    return None if batch is None else function(batch, *others)


def samples(batch: Any) -> int:
    """Return how many samples a batch has."""
    while isinstance(batch, (tuple, list, dict)):
        batch = next(iter(batch.values() if isinstance(batch, dict) else batch))
    return int(batch.shape[0])
