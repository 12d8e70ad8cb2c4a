"""Bring the notebook's names that a cell uses along to its run, and load them there."""

from __future__ import annotations

import linecache
import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lepton_jlab.errors import RunError, UsageError, suggestion
from lepton_jlab.runs import words
from lepton_jlab.runs.capture.names import Names, analyse, check_missing, check_sweep, is_shells
from lepton_jlab.runs.capture.payload import Payload, pack, unpack
from lepton_jlab.runs.capture.pickling import (
    Gauge,
    NotebookPickler,
    RunUnpickler,
    TooLargeError,
    referred,
)
from lepton_jlab.runs.capture.sizes import sizes

LIMIT = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Captured:
    """What a cell takes along.

    Attributes
    ----------
    payloads
        Each pushed value on its own, then everything else in one; empty if there is nothing.
    brought
        One readable entry a name, such as ``"build (function)"`` or
        ``"x_train (47.0 MB, pushed)"``.
    sizes
        Numbers and lengths among it, as `lepton_jlab.runs.capture.sizes.sizes` says.
    """

    payloads: list[Payload] = field(default_factory=list)
    brought: list[str] = field(default_factory=list)
    sizes: dict[str, float] = field(default_factory=dict)


class _UnfitError(Exception):
    """A value that cannot go along."""

    def __init__(self, name: str, reason: Exception) -> None:
        self.name, self.reason = name, reason


def capture(
    source: str,
    namespace: Mapping[str, Any],
    *,
    push: str | Iterable[str] | None = None,
    params: Iterable[str] = (),
    limit: int = LIMIT,
) -> Captured:
    """Pickle the names of `namespace` that a cell uses, and all that those use in turn.

    Parameters
    ----------
    source
        The cell.
    namespace
        The notebook's names; for functions defined in it, also where they look up theirs.
    push
        Names to bring whatever their size, each as a payload of its own; ``"none"`` brings
        nothing at all.
    params
        Names that the sweep sets in the run: not brought, even if the notebook has them.
    limit
        Size in bytes up to which a value comes along without being pushed.

    Raises
    ------
    UsageError
        The cell is not valid Python, assigns one of `params`, or uses a name that exists nowhere;
        a value cannot be pickled or is over the limit; a pushed name does not exist. Nothing was
        started then.
    """
    params = frozenset(params)
    names = analyse(source)
    check_sweep(names, params)
    if push == "none" or (push and not isinstance(push, str) and list(push) == ["none"]):
        return Captured()
    pushed = _pushed(push, namespace, params)
    absent = params | pushed.keys()
    wanted = {
        name: namespace[name]
        for name in [*names.used, *sorted(names.builtins), *sorted(names.perhaps)]
        if name in namespace and name not in absent and not is_shells(name, namespace[name])
    }
    via, bound = referred([*wanted.values(), *pushed.values()], namespace, absent)
    check_missing(names, namespace.keys() | params | bound)
    wanted |= {name: namespace[name] for name in via if name in namespace and name not in wanted}
    spare = _spare(names, via)
    while True:
        try:
            main = _pack_all(wanted, namespace, absent, pushed, limit)
            break
        except _UnfitError as unfit:
            if unfit.name not in spare:
                raise _explain(unfit, namespace, via.get(unfit.name), limit) from None
            del wanted[unfit.name]
            absent |= {unfit.name}
    packed = [_pack_pushed(name, namespace, absent) for name in pushed]
    brought = [f"{p.names[0]} ({words.size(p.size)}, pushed)" for p in packed]
    if main:
        payload, weights = main
        packed.append(payload)
        brought += [_describe(name, wanted[name], weights[name]) for name in wanted]
    return Captured(packed, brought, sizes({**pushed, **wanted}))


def load(paths: Sequence[str], namespace: dict[str, Any]) -> None:
    """Define in `namespace` what the payload files at `paths`, in any order, carry.

    Raises
    ------
    RunError
        A value cannot be made again here; the message names it.
    """
    # Pushed values stand on their own, and what else came along may point at them.
    for payload in sorted(map(unpack, paths), key=lambda payload: payload.refers):
        for file, text in payload.sources.items():
            lines = text.splitlines(keepends=True)
            linecache.cache.setdefault(file, (len(text), None, lines, file))
        unpickler = RunUnpickler(payload.pickle, payload.buffers, namespace)
        for name in payload.names:
            try:
                namespace[name] = unpickler.load()
            except Exception as error:
                raise RunError(
                    f"{name!r} of the notebook could not be loaded in the run: "
                    f"{type(error).__name__}: {error}"
                ) from error


def _pushed(
    push: str | Iterable[str] | None, namespace: Mapping[str, Any], params: Collection[str]
) -> dict[str, Any]:
    asked = push.split(",") if isinstance(push, str) else list(push or ())
    chosen = [name.strip() for name in asked if name.strip()]
    for name in chosen:
        if name not in namespace and name not in params:
            near = suggestion(name, namespace) or " Define it first."
            raise UsageError(f"--push {name}: the notebook has no such name.{near}")
    return {name: namespace[name] for name in chosen if name not in params}


def _spare(names: Names, via: Mapping[str, str]) -> frozenset[str]:
    """Names whose absence a run may well survive: these are left out if they do not fit.

    A function may read a global that the cell sets before it calls the function.
    """
    needed = names.used.keys() | names.builtins
    return frozenset(names.perhaps | (via.keys() & names.assigned.keys())) - needed


def _pack_all(
    wanted: Mapping[str, Any],
    namespace: Mapping[str, Any],
    absent: Collection[str],
    pushed: Mapping[str, Any],
    limit: int,
) -> tuple[Payload, dict[str, int]] | None:
    """Pickle `wanted` into one payload; plain values first, so that functions point at them."""
    if not wanted:
        return None
    order = sorted(wanted, key=lambda name: isinstance(wanted[name], types.FunctionType | type))
    gauge = Gauge(limit)
    pickler = NotebookPickler(gauge, namespace, absent, elsewhere=pushed)
    sizes = {}
    for name in order:
        gauge.start()
        _dump(pickler, name, wanted[name])
        sizes[name] = gauge.count
    return _packed(order, gauge, pickler, refers=True), sizes


def _pack_pushed(name: str, namespace: Mapping[str, Any], absent: Collection[str]) -> Payload:
    gauge = Gauge(None)
    pickler = NotebookPickler(gauge, namespace, absent)
    try:
        _dump(pickler, name, namespace[name])
    except _UnfitError as unfit:
        raise _explain(unfit, namespace, None, 0) from None
    return _packed([name], gauge, pickler, refers=False)


def _packed(
    names: Sequence[str], gauge: Gauge, pickler: NotebookPickler, *, refers: bool
) -> Payload:
    # Cells are no files. Tracebacks and TensorFlow's AutoGraph want their text all the same.
    texts = {name: "".join(linecache.getlines(name)) for name in sorted(pickler.files)}
    sources = {name: text for name, text in texts.items() if text}
    pickled = b"".join(gauge.pieces)
    return pack(names, pickled, gauge.buffers, refers=refers, sources=sources)


def _dump(pickler: NotebookPickler, name: str, value: Any) -> None:
    try:
        pickler.dump(value)
    except Exception as error:  # anything: classes say in their own ways that they cannot
        raise _UnfitError(name, error) from error


def _explain(
    unfit: _UnfitError, namespace: Mapping[str, Any], by: str | None, limit: int
) -> UsageError:
    name, value = unfit.name, namespace[unfit.name]
    what = f"{name!r} ({type(value).__name__}{f', used by {by}()' if by else ''})"
    if isinstance(unfit.reason, TooLargeError):
        count = _size(value)
        amount = words.size(count) if count and count > limit else f"over {limit / 2**20:g} MiB"
        return UsageError(
            f"{what} is {amount}; what is over {limit / 2**20:g} MiB does not come along by "
            f"itself. Add --push {name}, make it in the cell, or read it from a dataset."
        )
    reason = str(unfit.reason).rstrip(".") or type(unfit.reason).__name__
    return UsageError(f"{what} cannot be sent to a run: {reason}. Make it in the cell instead.")


def _size(value: Any) -> int | None:
    """Return a value's size in bytes where it knows it."""
    if hasattr(value, "memory_usage"):  # pandas
        usage = value.memory_usage(deep=False)
        return int(usage if isinstance(usage, int) else usage.sum())
    count = getattr(value, "nbytes", None)
    return int(count) if isinstance(count, int) else None


def _describe(name: str, value: Any, count: int) -> str:
    kind = type(value)
    if isinstance(value, types.ModuleType):
        return f"{name} (module {value.__name__})"
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        return f"{name} (function)"
    if isinstance(value, type):
        return f"{name} (class)"
    if kind.__module__.startswith("lepton_jlab.data"):
        return f"{name} (dataset)"
    return f"{name} ({kind.__name__}{f', {words.size(count)}' if count >= 1000 else ''})"
