"""Preprocessing that travels with a model: stored as data, made again from it.

A recipe is anything with ``to_dict()``, a class method ``from_dict(document)``, and a call that
takes a NumPy batch of raw samples and returns what the model takes (a dict of batches, where the
model takes several inputs), such as the recipe of a `Dataset`. Its class must be importable where
the model is used. Preprocessing layers inside a Keras model need no recipe.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from inspect import signature
from typing import Any, Protocol, runtime_checkable

from lepton_jlab.errors import DataError, LeptonError, UsageError


@runtime_checkable
class Recipe(Protocol):
    """What prepares raw samples for a model."""

    def to_dict(self) -> Mapping[str, Any]: ...

    def __call__(self, batch: Any, /) -> Any: ...


def stored(recipe: Any) -> dict[str, Any] | None:
    """Return a recipe as JSON, with the address of its class.

    Raises
    ------
    UsageError
        If it is no recipe, or its class cannot be imported elsewhere.
    """
    if recipe is None or not getattr(recipe, "steps", True):
        return None
    kind = type(recipe)
    if not (isinstance(recipe, Recipe) and callable(getattr(kind, "from_dict", None))):
        raise UsageError(
            f"preprocessing is a {kind.__name__}; it needs to_dict(), from_dict() and a call that "
            "takes a NumPy batch. Or put preprocessing layers into the Keras model."
        )
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise UsageError(
            f"The class {kind.__name__} of the preprocessing is defined in the notebook, where "
            "nobody else can import it. Move it to a module."
        )
    document = {
        "class": f"{kind.__module__}:{kind.__qualname__}",
        "recipe": recipe.to_dict(),
        "words": recipe.words() if hasattr(recipe, "words") else [kind.__name__],
    }
    try:
        return dict(json.loads(json.dumps(document)))
    except TypeError as error:
        raise UsageError(f"to_dict() of the preprocessing is not JSON: {error}") from error


def restored(document: Mapping[str, Any] | None) -> Recipe | None:
    """Make the recipe again that `stored` described."""
    if document is None:
        return None
    module, _, name = document["class"].partition(":")
    try:
        kind: Any = importlib.import_module(module)
        for part in name.split("."):
            kind = getattr(kind, part)
        # Functions travel as source; whoever can write here can run code as this user anyway.
        trusting = {"trust": True} if "trust" in signature(kind.from_dict).parameters else {}
        made: Recipe = kind.from_dict(document["recipe"], **trusting)
    except Exception as error:
        raise LeptonError(
            f"The model's preprocessing {document['class']} cannot be made again: "
            f"{type(error).__name__}: {error}. Make that module importable here."
        ) from error
    return made


def steps(document: Mapping[str, Any] | None) -> list[str] | None:
    """Describe a stored recipe, one line a step."""
    return None if document is None else list(document["words"])


def through(recipe: Recipe | None, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
    """Prepare arrays by input name.

    Raises
    ------
    DataError
        If the recipe fails on them.
    """
    if recipe is None:
        return arrays
    try:
        if len(arrays) == 1:
            return {name: recipe(values) for name, values in arrays.items()}
        return dict(recipe(dict(arrays)))
    except Exception as error:
        raise DataError(
            f"The model's preprocessing fails: {type(error).__name__}: {error}"
        ) from error
