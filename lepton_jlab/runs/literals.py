"""Swept values without a word in JSON: records have tuples as lists, runs get them as they were."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from typing import Any

Literals = Mapping[str, Mapping[str, str]]


def literals(swept: Mapping[str, Iterable[Any]]) -> dict[str, dict[str, str]]:
    """Return by variable, and by the JSON of a value, how Python writes what JSON would change.

    >>> literals({"shape": [(1, 2), [3, 4]], "lr": [0.1]})
    {'shape': {'[1, 2]': '(1, 2)'}}
    """
    found = {
        name: {json.dumps(value): repr(value) for value in values if _has_tuple(value)}
        for name, values in swept.items()
    }
    return {name: values for name, values in found.items() if values}


def restored(params: Mapping[str, Any], known: Literals | None) -> dict[str, Any]:
    """Return recorded values as they were given.

    >>> restored({"shape": [1, 2], "lr": 0.1}, {"shape": {"[1, 2]": "(1, 2)"}})
    {'shape': (1, 2), 'lr': 0.1}
    """
    return {name: _restored(value, (known or {}).get(name)) for name, value in params.items()}


def _restored(value: Any, known: Mapping[str, str] | None) -> Any:
    text = known.get(json.dumps(value)) if known else None
    return value if text is None else ast.literal_eval(text)


def _has_tuple(value: Any) -> bool:
    return isinstance(value, tuple) or (isinstance(value, list) and any(map(_has_tuple, value)))
