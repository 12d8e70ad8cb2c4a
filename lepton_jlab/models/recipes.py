"""Preprocessing that travels with a model: stored as data, made again from it.

A recipe is anything with ``to_dict()``, a class method ``from_dict(document)``, and a call that
takes a NumPy batch of raw samples and returns what the model takes. Its class must be importable
where the model is used. Preprocessing layers inside a Keras model need no recipe.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lepton_jlab.errors import LeptonError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@runtime_checkable
class Recipe(Protocol):
    """What prepares raw samples for a model."""

    def to_dict(self) -> Mapping[str, Any]: ...

    def __call__(self, batch: NDArray[Any], /) -> NDArray[Any]: ...


def stored(recipe: Any) -> dict[str, Any] | None:
    """Return a recipe as JSON, with the address of its class.

    Raises
    ------
    UsageError
        If it is no recipe, or its class cannot be imported elsewhere.
    """
    if recipe is None:
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
    document = {"class": f"{kind.__module__}:{kind.__qualname__}", "recipe": recipe.to_dict()}
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
        made: Recipe = kind.from_dict(document["recipe"])
    except Exception as error:
        raise LeptonError(
            f"The model's preprocessing {document['class']} cannot be made again: "
            f"{type(error).__name__}: {error}. Make that module importable here."
        ) from error
    return made


def steps(document: Mapping[str, Any] | None) -> list[str] | None:
    """Describe a stored recipe, one line a step."""
    if document is None:
        return None
    listed = document["recipe"].get("steps")
    if isinstance(listed, list) and listed:
        return [_step(step) for step in listed]
    return [document["class"].rpartition(":")[2]]


def _step(step: Any) -> str:
    if not isinstance(step, Mapping):
        return str(step)
    name = next((str(step[key]) for key in ("step", "kind", "name") if key in step), "step")
    rest = (f"{k}={v}" for k, v in step.items() if k not in ("step", "kind", "name"))
    return " ".join([name, *(text for text in rest if len(text) < 60)])
