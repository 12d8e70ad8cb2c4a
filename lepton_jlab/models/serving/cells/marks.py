"""`@lepton.batched`: marks a function of a serving cell that takes many requests at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "lepton_batched"


def batched(function: F) -> F:
    """Have a `function` of a serving cell take the values of all requests that wait.

    Each parameter is then a list (or an array, stacked) with one value a request, and so is what
    the function returns. A request gives, and gets, one of them.

    Examples
    --------
    >>> @batched
    ... def shout(texts: list[str]) -> list[str]:
    ...     return [text.upper() for text in texts]
    >>> shout(["a", "b"])
    ['A', 'B']
    """
    setattr(function, _MARK, True)
    return function


def is_batched(function: Callable[..., Any]) -> bool:
    """Tell whether a function is marked so."""
    return bool(getattr(function, _MARK, False))
