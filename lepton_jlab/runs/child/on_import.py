"""Does something to a module as soon as it has been imported, and imports nothing for it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

Act = Callable[[ModuleType], None]


def on_import(name: str, act: Act) -> None:
    """Call `act` with module `name`: now if it is imported, else as soon as it is."""
    if name in sys.modules:
        act(sys.modules[name])
    elif _Finder(name, act) not in sys.meta_path:
        sys.meta_path.insert(0, _Finder(name, act))


class _Finder(MetaPathFinder):
    """Finds a module once, by the finders behind it."""

    def __init__(self, name: str, act: Act) -> None:
        self._what = name, act

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Finder) and self._what == other._what

    def __hash__(self) -> int:
        return hash(self._what)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        name, act = self._what
        if fullname != name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        loader = spec.loader if spec is not None else None
        if loader is not None:
            execute = loader.exec_module

            def execute_and_act(module: ModuleType) -> None:
                execute(module)
                act(module)

            loader.exec_module = execute_and_act  # type: ignore[method-assign]
        return spec
