"""The variables of a Keras model in training: which there are, how ranks share and keep them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.errors import RunError
from lepton_jlab.replicas.group import group

if TYPE_CHECKING:
    from numpy.typing import NDArray


def metric_variables(model: Any) -> list[Any]:
    """Return the variables of all metrics of a model, whose sums over ranks are those of all."""
    found = {id(v): v for metric in model.metrics for v in metric.variables}
    return list(found.values())


def floats(variables: Iterable[Any]) -> list[Any]:
    """Return those with floating-point values: no counters, no seeds."""
    return [variable for variable in variables if "float" in str(variable.dtype)]


def numbers(variables: Iterable[Any]) -> list[NDArray[Any]]:
    """Return the values of variables."""
    return [np.asarray(variable) for variable in variables]


class State:
    """What a checkpoint has of a model and its optimizer."""

    def __init__(self, model: Any) -> None:
        metrics = {id(variable) for variable in metric_variables(model)}
        self._groups = {
            "model": [v for v in model.variables if id(v) not in metrics],
            "optimizer": list(model.optimizer.variables),
        }

    def arrays(self) -> dict[str, list[NDArray[Any]]]:
        """Return their values by group."""
        return {name: numbers(variables) for name, variables in self._groups.items()}

    def restore(self, arrays: Mapping[str, list[NDArray[Any]]], path: Path) -> None:
        """Give them the values that were kept in `path`.

        Raises
        ------
        RunError
            They are those of another model.
        """
        for name, variables in self._groups.items():
            kept = arrays.get(name, [])
            shapes = [[tuple(one.shape) for one in group] for group in (variables, kept)]
            if shapes[0] != shapes[1]:
                raise RunError(
                    f"The checkpoint {path} is of another {name}: it has {len(kept)} variables, "
                    f"and this one {len(variables)}, or of other shapes. Remove it to train from "
                    "the beginning."
                )
            for variable, value in zip(variables, kept, strict=True):
                own = np.asarray(variable).dtype
                variable.assign(value.view(own) if value.dtype.kind == "V" else value)

    def broadcast(self, name: str) -> None:
        """Give all ranks the values of rank 0."""
        if group().world == 1:
            return
        variables = [v for part in self._groups.values() for v in part]
        found = group().broadcast(numbers(variables), name)
        for variable, value in zip(variables, found, strict=True):
            variable.assign(value)
