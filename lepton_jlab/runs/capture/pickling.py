"""How values of the notebook are pickled, so that its functions live in the run's namespace."""

from __future__ import annotations

import dis
import io
import pickle
import sys
import types
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import cloudpickle

from lepton_jlab.runs.capture.names import is_shells
from lepton_jlab.runs.capture.reducers import reduce

_NAMESPACE = "namespace"
_VALUE = "value:"
# Smaller buffers stay inside the pickle: a page is not worth a place of its own in the file.
_OWN_BUFFER = 64 * 1024


class TooLargeError(Exception):
    """A value passed the limit while it was being pickled."""


class Gauge(io.RawIOBase):
    """Where a pickler writes to: keeps everything, and stops it at a limit for each value."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.pieces: list[bytes] = []
        self.buffers: list[memoryview] = []
        self.count = 0  # bytes since the last `start`

    def start(self) -> None:
        """Begin to measure the next value."""
        self.count = 0

    def _add(self, count: int) -> None:
        self.count += count
        if self.limit is not None and self.count > self.limit:
            raise TooLargeError

    def write(self, data: Any) -> int:
        """Take a piece of the pickle."""
        self._add(len(data))
        self.pieces.append(bytes(data))
        return len(data)

    def take(self, buffer: pickle.PickleBuffer) -> bool:
        """Take a large buffer as it is; true means that it goes into the pickle instead."""
        try:
            view = buffer.raw()
        except BufferError:  # not contiguous
            return True
        if view.nbytes < _OWN_BUFFER:
            return True
        self._add(view.nbytes)
        self.buffers.append(view)
        return False


class NotebookPickler(cloudpickle.Pickler):
    """cloudpickle, but what belongs to the notebook's namespace is tied to the run's.

    A function of the notebook gets the run's namespace as its globals, so that it sees what the
    cell and the sweep set there. What it reads there goes with it, except for names in `absent`.

    Attributes
    ----------
    referred
        Names of the namespace that functions read, with the function that was the first.
    files
        Where the functions' code comes from.
    """

    def __init__(
        self,
        gauge: Gauge,
        namespace: Mapping[str, Any],
        absent: Collection[str] = (),
        elsewhere: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(gauge, protocol=5, buffer_callback=gauge.take)
        main = sys.modules["__main__"].__dict__
        self.referred: dict[str, str] = {}
        self.files: set[str] = set()
        self._homes = {id(home): home for home in (namespace, main)}
        self._namespace = namespace
        self._absent = frozenset(absent)
        self._elsewhere = {id(value): name for name, value in (elsewhere or {}).items()}
        self.globals_ref.update(self._homes)

    def persistent_id(self, obj: Any) -> str | None:
        """Name what must not be pickled: the namespace itself, and values of other payloads."""
        if id(obj) in self._homes:
            return _NAMESPACE
        name = self._elsewhere.get(id(obj))
        return None if name is None else _VALUE + name

    def _dynamic_function_reduce(self, func: types.FunctionType) -> tuple[Any, ...]:
        reduced: tuple[Any, ...] = super()._dynamic_function_reduce(func)
        self.files.add(func.__code__.co_filename)
        if id(func.__globals__) in self._homes:
            read: dict[str, Any] = reduced[2][1]["__globals__"]
            for name in list(read):
                if name in self._absent or is_shells(name, read[name]):
                    del read[name]
                else:
                    self.referred.setdefault(name, func.__qualname__)
        return reduced

    def reducer_override(self, obj: Any) -> Any:
        """Reduce functions and classes as cloudpickle does, and a few things that it does not."""
        if isinstance(obj, types.CodeType):  # since 3.1.2 cloudpickle forgets the file, and so
            make, parts = self.dispatch_table[types.CodeType](obj)  # tracebacks the text
            return make, tuple(obj.co_filename if _is_nowhere(p) else p for p in parts)
        reduced = super().reducer_override(obj)
        return reduce(obj, self._namespace) if reduced is NotImplemented else reduced


def _is_nowhere(part: Any) -> bool:
    return isinstance(part, str) and part == "<dynamic-code>"


class _Scout(NotebookPickler):
    """Walks functions and classes as the pickler will, and leaves out all other values."""

    _ENTERS = (
        *(types.FunctionType, types.MethodType, types.CellType, type, partial),
        *(staticmethod, classmethod, property, tuple, list, dict, set, frozenset),
    )

    def __init__(self, namespace: Mapping[str, Any], absent: Collection[str]) -> None:
        super().__init__(Gauge(None), namespace, absent)
        self.classes: list[type] = []
        self.bound: set[str] = set()

    def _dynamic_function_reduce(self, func: types.FunctionType) -> tuple[Any, ...]:
        self.bound |= _globals_bound(func.__code__)
        return super()._dynamic_function_reduce(func)

    def persistent_id(self, obj: Any) -> str | None:
        tied = super().persistent_id(obj)
        if tied is not None:
            return tied
        if isinstance(obj, self._ENTERS) and not (hasattr(obj, "__len__") and _many(obj)):
            return None
        if type(obj).__module__ == "__main__":
            self.classes.append(type(obj))
        return "skipped"


def _globals_bound(code: types.CodeType) -> set[str]:
    """Find the names that a function declares ``global`` and assigns."""
    bound = {i.argval for i in dis.get_instructions(code) if i.opname == "STORE_GLOBAL"}
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            bound |= _globals_bound(part)
    return bound


def _many(container: Any) -> bool:
    """Tell whether a container holds data rather than a few functions."""
    try:
        return len(container) > 1000
    except TypeError:  # a class whose instances have a length
        return False


def referred(
    values: Collection[Any], namespace: Mapping[str, Any], absent: Collection[str]
) -> tuple[dict[str, str], set[str]]:
    """Find the names of `namespace` that functions and classes among `values` use in turn.

    Found before anything is pickled, each can be measured, and blamed, on its own.

    Returns
    -------
    read : dict
        Name → the function that reads it.
    bound : set
        Names that a call of one of the functions may give a value.
    """
    scout = _Scout(namespace, absent)
    pending, seen = list(values), set()
    while pending:
        value = pending.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        with suppress(Exception):  # whatever is wrong is reported when it is pickled in earnest
            scout.dump(value)
        pending += scout.classes
        scout.classes.clear()
    return scout.referred, scout.bound


class RunUnpickler(pickle.Unpickler):
    """The other end of `NotebookPickler`, in the run's child."""

    def __init__(
        self, pickled: memoryview, buffers: Collection[memoryview], namespace: dict[str, Any]
    ) -> None:
        super().__init__(io.BytesIO(pickled), buffers=iter(buffers))
        self._namespace = namespace

    def persistent_load(self, pid: str) -> Any:
        """Return what `NotebookPickler.persistent_id` named."""
        return self._namespace if pid == _NAMESPACE else self._namespace[pid[len(_VALUE) :]]
