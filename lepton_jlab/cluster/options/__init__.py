"""What belongs to one engine only: a module for each engine that has options of its own.

Such a module has `OPTIONS`, their names in Python's spelling, and ``check(given)``, which returns
what was given in the form that the engine takes, or raises a UsageError. It may have `FILES`, the
options that name files of this machine, `REQUIRED`, those that cannot be left out, and `NEEDS`, the
library that the engine's own extra installs. Nothing here imports Dask.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from lepton_jlab.errors import MissingDependencyError, UsageError, suggestion

ENGINES = ("auto", "local", "cuda", "ssh", "slurm", "kubernetes", "gateway")


@cache
def known() -> dict[str, tuple[str, ...]]:
    """Return the engines that each option belongs to, by its name."""
    engines: dict[str, tuple[str, ...]] = {}
    for engine, module in _modules().items():
        for option in module.OPTIONS:
            engines[option] = (*engines.get(option, ()), engine)
    return engines


def files() -> set[str]:
    """Return the names of the options that name files of this machine."""
    return {name for module in _modules().values() for name in getattr(module, "FILES", ())}


def required(engine: str) -> tuple[str, ...]:
    """Return the names of the options without which the engine does not start."""
    return tuple(getattr(_modules().get(engine), "REQUIRED", ()))


def refuse_unknown(given: Iterable[str]) -> None:
    """Raise a UsageError that names the first option that no engine has."""
    for name in given:
        if name not in known():
            raise UsageError(f"No engine has an option {name!r}.{suggestion(name, known())}")


def check_options(engine: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Check the options of an engine; None means that one was not given.

    Returns
    -------
    str, dict
        The engine, which is no longer ``auto`` if an option belongs to one engine alone, and its
        options.

    Raises
    ------
    UsageError
        For an option of another engine, naming it, and for what the engine's own check refuses.
    """
    given = {name: value for name, value in given.items() if value is not None}
    refuse_unknown(given)
    for name in given:
        owners = known()[name]
        if engine == "auto" and len(owners) == 1:
            engine = owners[0]
        if engine not in owners:
            listed = " or ".join(f"--engine {owner}" for owner in owners)
            raise UsageError(
                f"--{name.replace('_', '-')} belongs to {listed}; this is engine {engine!r}."
            )
    module = _modules().get(engine)
    checked: dict[str, Any] = {} if module is None else module.check(given)
    if module is not None and engine not in installed():
        needs = module.NEEDS.replace("_", "-")
        raise MissingDependencyError(f"{needs}, which --engine {engine} needs,", engine)
    return engine, checked


def installed() -> tuple[str, ...]:
    """Return the engines whose libraries are here."""
    return tuple(
        engine
        for engine in ENGINES
        if (needs := getattr(_modules().get(engine), "NEEDS", None)) is None or find_spec(needs)
    )


@cache
def _modules() -> dict[str, Any]:
    """Return the modules of those engines that have options; one is a file more, here and there."""
    found = {module.name for module in pkgutil.iter_modules(__path__)}
    return {name: import_module(f"{__name__}.{name}") for name in ENGINES if name in found}
