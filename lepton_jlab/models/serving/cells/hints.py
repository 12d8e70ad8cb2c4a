"""Type hints as JSON: the schema of what they allow, and the value that a function is given."""

from __future__ import annotations

import base64
import binascii
import collections.abc
import dataclasses
import enum
import json
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lepton_jlab.errors import UsageError
from lepton_jlab.models.serving.tensors import RefusedError

Read = Callable[[Any, str], Any]
_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_NUMBERS = {"f": "number", "i": "integer", "u": "integer", "b": "boolean"}


@dataclasses.dataclass(frozen=True, slots=True)
class Hint:
    """What a hint means.

    Attributes
    ----------
    schema
        JSON schema.
    read
        Takes a JSON value and where it stands; returns the Python value, or raises RefusedError.
    """

    schema: dict[str, Any]
    read: Read


def hint_of(kind: Any, where: str) -> Hint:
    """Return what a type hint means.

    Parameters
    ----------
    where
        What has the hint, for the message.

    Raises
    ------
    UsageError
        If no JSON value can become that.
    """
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin is typing.Annotated:
        return hint_of(arguments[0], where)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind is np.ndarray or origin is np.ndarray:
        return _array(arguments)
    if origin is typing.Literal:
        return _literal(arguments)
    if origin in (typing.Union, types.UnionType):
        return _either([hint_of(one, where) for one in arguments])
    base = origin or kind
    if base in _LISTS:
        return _list(hint_of(arguments[0] if arguments else Any, where))
    if base is tuple:
        return _tuple(arguments, where)
    if base in (dict, collections.abc.Mapping):
        return _mapping(hint_of(arguments[1] if len(arguments) == 2 else Any, where))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _literal([member.value for member in kind], kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        needed = {
            field.name
            for field in dataclasses.fields(kind)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }
        return _fields(typing.get_type_hints(kind), needed, lambda got: kind(**got), where)
    if typing.is_typeddict(kind):
        return _fields(typing.get_type_hints(kind), kind.__required_keys__, dict, where)
    name = getattr(kind, "__name__", str(kind))
    raise UsageError(
        f"{where} has the type {name}, which JSON cannot give. Take numbers, str, bytes, lists, "
        "dicts, NumPy arrays, dataclasses or TypedDicts."
    )


def object_of(hints: Mapping[str, Hint], needed: collections.abc.Set[str]) -> Hint:
    """Return the hint of a JSON object with these members and no others."""

    def read(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        for name in value:
            if name not in hints:
                known = ", ".join(map(repr, hints)) or "nothing"
                raise RefusedError(f"{where} does not take {name!r}; it takes {known}.")
        for name in hints:
            if name in needed and name not in value:
                raise RefusedError(f"{where} needs {name!r}.")
        inner = {name: f"{where}.{name}" for name in value}
        return {name: hints[name].read(item, inner[name]) for name, item in value.items()}

    schema = {
        "type": "object",
        "properties": {name: hint.schema for name, hint in hints.items()},
        "required": [name for name in hints if name in needed],
        "additionalProperties": False,
    }
    return Hint(schema, read)


def _simple(kind: type | tuple[type, ...], schema: str, said: str) -> Hint:
    def read(value: Any, where: str) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _wrong(where, said, value)
        return value

    return Hint({"type": schema}, read)


def _float(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(where, "a number", value)
    return float(value)


def _bytes(value: Any, where: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise _wrong(where, "base64", value) from None


_PLAIN: dict[Any, Hint] = {
    Any: Hint({}, lambda value, _: value),
    object: Hint({}, lambda value, _: value),
    bool: _simple(bool, "boolean", "true or false"),
    int: _simple(int, "integer", "a whole number"),
    float: Hint({"type": "number"}, _float),
    str: _simple(str, "string", "text"),
    bytes: Hint({"type": "string", "contentEncoding": "base64"}, _bytes),
    type(None): _simple(type(None), "null", "null"),
}
_PLAIN[None] = _PLAIN[type(None)]


def _list(item: Hint) -> Hint:
    def read(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong(where, "a list", value)
        return [item.read(one, f"{where}[{place}]") for place, one in enumerate(value)]

    return Hint({"type": "array", "items": item.schema}, read)


def _tuple(arguments: tuple[Any, ...], where: str) -> Hint:
    if not arguments or arguments[-1] is Ellipsis:
        several = _list(hint_of(arguments[0] if arguments else Any, where))
        return Hint(several.schema, lambda value, place: tuple(several.read(value, place)))
    items = [hint_of(one, where) for one in arguments]

    def read(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != len(items):
            raise _wrong(where, f"a list of {len(items)}", value)
        pairs = enumerate(zip(items, value, strict=True))
        return tuple(item.read(one, f"{where}[{place}]") for place, (item, one) in pairs)

    size = {"minItems": len(items), "maxItems": len(items)}
    schemas = [item.schema for item in items]
    return Hint({"type": "array", "prefixItems": schemas, **size}, read)


def _mapping(item: Hint) -> Hint:
    def read(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        return {name: item.read(one, f"{where}.{name}") for name, one in value.items()}

    return Hint({"type": "object", "additionalProperties": item.schema}, read)


def _literal(values: Any, make: Callable[[Any], Any] = lambda value: value) -> Hint:
    allowed = list(values)

    def read(value: Any, where: str) -> Any:
        for one in allowed:
            if value == one and type(value) is type(one):
                return make(one)
        raise _wrong(where, "one of " + ", ".join(json.dumps(one) for one in allowed), value)

    return Hint({"enum": allowed}, read)


def _either(hints: list[Hint]) -> Hint:
    def read(value: Any, where: str) -> Any:
        refused = []
        for hint in hints:
            try:
                return hint.read(value, where)
            except RefusedError as error:
                refused.append(str(error).removeprefix(f"{where}: ").rstrip("."))
        raise RefusedError(f"{where}: {'; or '.join(refused)}.")

    return Hint({"anyOf": [hint.schema for hint in hints]}, read)


def _fields(
    kinds: Mapping[str, Any],
    needed: collections.abc.Set[str],
    make: Callable[[dict[str, Any]], Any],
    where: str,
) -> Hint:
    hint = object_of(
        {name: hint_of(kind, f"{where}.{name}") for name, kind in kinds.items()}, needed
    )
    return Hint(hint.schema, lambda value, place: make(hint.read(value, place)))


def _array(arguments: tuple[Any, ...]) -> Hint:
    """Return the hint of ``np.ndarray``, or of ``NDArray[np.float32]`` with its dtype."""
    scalar = typing.get_args(arguments[1])[0] if len(arguments) == 2 else None
    dtype = np.dtype(scalar) if isinstance(scalar, type) and scalar is not np.generic else None

    def read(value: Any, where: str) -> Any:
        try:
            array = np.asarray(value)
        except (ValueError, OverflowError):
            raise RefusedError(f"{where}: the lists differ in length.") from None
        if array.dtype.kind not in "fiub" and not (dtype is None and array.dtype.kind == "U"):
            raise _wrong(where, "nested lists of numbers", value)
        if dtype is None:
            return array
        if dtype.kind in "iu" and array.dtype.kind == "f" and array.size:
            raise _wrong(where, f"nested lists of {dtype.name}", value)
        return array.astype(dtype)

    number = {"type": _NUMBERS.get(dtype.kind, "number") if dtype is not None else "number"}
    nested = {"type": "array", "description": "nested lists, such as [[1, 2], [3, 4]]"}
    return Hint({"anyOf": [number, nested]}, read)


def _wrong(where: str, wanted: str, value: Any) -> RefusedError:
    try:
        shown = json.dumps(value)
    except (TypeError, ValueError):
        shown = str(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return RefusedError(f"{where}: {shown} is not {wanted}.")
