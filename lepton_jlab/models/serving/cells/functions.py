"""A function of a serving cell as an HTTP handler: what it takes and gives, how it is called."""

from __future__ import annotations

import base64
import inspect
import traceback
import typing
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import orjson

from lepton_jlab.errors import UsageError
from lepton_jlab.models.serving.cells.hints import Hint, hint_of, object_of
from lepton_jlab.models.serving.cells.marks import is_batched
from lepton_jlab.models.serving.tensors import RefusedError, Reply, read_json

_EMPTY = inspect.Parameter.empty


class Function:
    """One handler.

    Parameters
    ----------
    function
        Of the cell; its parameters are the members of the JSON object that a request sends.

    Raises
    ------
    UsageError
        If its parameters cannot come from JSON.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = function.__name__
        self._function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self.is_batched = is_batched(function)
        if self.is_async and self.is_batched:
            raise UsageError(f"{self.name}() is batched and async; it can be one of them.")
        try:
            kinds = typing.get_type_hints(function, include_extras=True)
        except NameError as error:
            raise UsageError(f"{self.name}(): its type hints use a name that is {error}.") from None
        self._stacked: set[str] = set()
        hints: dict[str, Hint] = {}
        needed = set()
        for name, parameter in inspect.signature(function).parameters.items():
            where = f"Parameter {name!r} of {self.name}()"
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise UsageError(f"{where} has no name that JSON could give; make it a plain one.")
            kind = kinds.get(name, Any)
            hints[name] = hint_of(self._one(name, kind, where) if self.is_batched else kind, where)
            if parameter.default is _EMPTY or self.is_batched:
                needed.add(name)
        self._takes = object_of(hints, needed)
        gives = kinds.get("return", Any)
        try:
            if self.is_batched:
                gives = self._one("", gives, "")
            self._gives = hint_of(gives, "").schema
        except UsageError:
            self._gives = {}

    def facts(self) -> dict[str, Any]:
        """Return what OpenAPI says of it."""
        about = inspect.getdoc(self._function) or ""
        return {
            "name": self.name,
            "about": about.partition("\n")[0],
            "takes": self._takes.schema,
            "gives": self._gives,
        }

    def read(self, body: bytes) -> dict[str, Any]:
        """Read a request; RefusedError when it is wrong."""
        value = read_json(body) if body.strip() else {}
        arguments: dict[str, Any] = self._takes.read(value, self.name)
        return arguments

    def call(self, arguments: dict[str, Any]) -> Reply:
        """Answer one request."""
        try:
            return written(self._function(**arguments))
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            return self._failed(error)

    async def call_later(self, arguments: dict[str, Any]) -> Reply:
        """Answer one request of an async function."""
        try:
            return written(await self._function(**arguments))
        except Exception as error:  # noqa: BLE001
            return self._failed(error)

    def call_together(self, several: Sequence[dict[str, Any]]) -> list[Reply]:
        """Answer requests of a batched function with one call; each alone if that fails."""
        try:
            columns = {name: [one[name] for one in several] for name in several[0]}
            stacked = {n: np.stack(v) if n in self._stacked else v for n, v in columns.items()}
            results = self._function(**stacked)
            pairs = zip(results, several, strict=True)  # ValueError where they differ in number
            return [written(result) for result, _ in pairs]
        except Exception as error:  # noqa: BLE001
            if len(several) == 1:
                return [self._failed(error)]
            return [reply for one in several for reply in self.call_together([one])]

    def _one(self, name: str, kind: Any, where: str) -> Any:
        """Return what one request gives where the function takes a list of them."""
        arguments = typing.get_args(kind)
        base = typing.get_origin(kind) or kind
        if kind is Any:
            return Any
        if base is np.ndarray:
            self._stacked.add(name)
            return kind
        if base in (list, tuple) or getattr(base, "__name__", "") in ("Sequence", "Iterable"):
            return arguments[0] if arguments else Any
        raise UsageError(f"{where}: a batched function takes lists or arrays, one value a request.")

    def _failed(self, error: Exception) -> Reply:
        if isinstance(error, RefusedError):
            status, message = error.status, str(error)
        elif isinstance(error, UsageError):  # how a handler says that the request is wrong
            status, message = 400, str(error)
        else:
            traceback.print_exception(error)  # into the endpoint's log
            first = next(iter(str(error).splitlines()), "")[:300]
            status, message = 500, f"{self.name}() failed: {type(error).__name__}: {first}"
        return Reply(status, orjson.dumps({"error": message}))


def written(result: Any) -> Reply:
    """Write what a handler returned as JSON; what is not finite becomes null."""
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    try:
        return Reply(200, orjson.dumps(result, default=_plain, option=options))
    except TypeError as error:
        raise RefusedError(f"The result is no JSON: {error}.", 500) from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):  # orjson writes contiguous ones of numbers itself
        return value.tolist()
    if hasattr(value, "numpy"):
        return value.numpy()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, set | frozenset | PurePath):
        return sorted(value) if not isinstance(value, PurePath) else str(value)
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not serializable")
