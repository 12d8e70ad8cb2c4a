"""Submit cells, files and functions: everything is checked here, before anything starts."""

from __future__ import annotations

import inspect
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from lepton_jlab import ranges
from lepton_jlab.cluster import get_cluster
from lepton_jlab.cluster.plan import parse_seconds
from lepton_jlab.cost.amounts import parse_energy, parse_money
from lepton_jlab.cost.prices import load_prices
from lepton_jlab.errors import UsageError, suggestion
from lepton_jlab.ranges import Range
from lepton_jlab.runs import records
from lepton_jlab.runs.capture import Captured, capture
from lepton_jlab.runs.capture.datasets import addresses
from lepton_jlab.runs.capture.names import analyse
from lepton_jlab.runs.devices import words_of as device_words
from lepton_jlab.runs.environment import environment
from lepton_jlab.runs.estimates import digest, estimates
from lepton_jlab.runs.gangs import gang_options
from lepton_jlab.runs.literals import literals
from lepton_jlab.runs.origin import origin
from lepton_jlab.runs.run import Run, runs_of
from lepton_jlab.runs.search.asked import make_search
from lepton_jlab.runs.sweep import Mode, Sweep
from lepton_jlab.sizes import parse_bytes

_FUNCTION = "function"  # what a submitted function is called in its run, and its result
_RESULT = "result"


def submit(
    work: str | Callable[..., Any],
    *,
    name: str | None = None,
    sweep: Mapping[str, Sequence[Any] | Range] | None = None,
    repeat: int = 1,
    trials: int | None = None,
    search: str | None = None,
    prune: str | None = None,
    metric: str | None = None,
    mode: Mode | None = None,
    seed: int | None = None,
    push: str | Iterable[str] | None = None,
    pull: Iterable[str] = (),
    retries: int = 0,
    timeout: str | float | None = None,
    stall: str | float | None = None,
    memory: str | int | None = None,
    keep: str | None = None,
    replicas: int = 1,
    checkpoint: str | float | None = None,
    gpus: int | None = None,
    precision: str | None = None,
    budget: str | float | None = None,
    energy: str | float | None = None,
    place: str | None = None,
    cluster: str | None = None,
    namespace: Mapping[str, Any] | None = None,
    filename: str | None = None,
) -> Run | Sweep:
    """Run a cell or a function on a cluster, once or once for each point of a sweep.

    Parameters
    ----------
    work : str or callable
        The source of a cell; or a function, which is called with the sweep's values by keyword and
        whose result is ``run.values["result"]``.
    name : str, optional
        What to call it.
    sweep : mapping of str to sequence or range, optional
        Values by variable; their cross product is run. With `trials` also ranges to search:
        ``"log(1e-4,1e-1)"``, ``"float(0,1)"``, ``"int(16,256)"``, ``"logint(16,1024)"``.
    repeat : int
        Run each point so many times; a search goes by their mean.
    trials : int, optional
        Search: choose so many points of `sweep` one after another, by what was learned so far.
    search : {"tpe", "random"}, optional
        How they are chosen.
    prune : {"hyperband", "median", "none"}, optional
        How bad ones are ended early.
    metric : str, optional
        What is searched by; by default the loss, on validation data if there is one.
    mode : {"min", "max"}, optional
        Which of its values are better; by default what is usual for a metric of that name.
    seed : int, optional
        The same choices again, as long as trials run one after another.
    push : iterable of str or "none", optional
        Names to bring along whatever their size; ``"none"`` brings nothing.
    pull : iterable of str
        Names to bring back, in ``run.values``.
    retries : int
        Try again so many times when the run fails or its worker dies.
    timeout, stall : str or float, optional
        End a run that takes longer, or shows no sign of life for so long: ``"90s"`` or seconds.
    memory : str or int, optional
        What a run may allocate: ``"4GiB"`` or bytes.
    keep : str, optional
        Use one persistent child per worker under this name: state stays between runs.
    replicas : int
        Train one model on so many workers: the cell runs on each, and Keras's `fit` averages the
        gradients of all. See docs/replicas.md.
    checkpoint : str or float, optional
        How often `fit` saves what it needs to go on after a death: ``"30s"``, ``"auto"`` or
        seconds. With `replicas`, ``"auto"`` by default.
    gpus : int, optional
        So many GPUs of one machine, all for this run.
    precision : str, optional
        What Keras computes in: ``"mixed_float16"``, ``"mixed_bfloat16"``, ``"float32"``.
    budget, energy : str or float, optional
        What all runs together may cost, in money, and in energy: ``"100Wh"`` or Wh. When it is
        spent, those that run are stopped and those that wait are cancelled.
    place : str, optional
        Where its worker is: ``"edge"``, ``"cloud"`` or another label of this cluster. By default
        (``"auto"``) where its end is predicted to be soonest.
    cluster : str, optional
        The cluster's name; by default the one in use.
    namespace : mapping, optional
        Where the names come from that `work` uses; a function brings its own.
    filename : str, optional
        What tracebacks call the source.

    Returns
    -------
    Run or Sweep
        A Sweep when `sweep` is given or `repeat` is more than 1. That of a search grows.

    Raises
    ------
    UsageError
        Something named cannot be; nothing was started.
    NotFoundError
        There is no such cluster.
    MissingDependencyError
        A search without Optuna.

    Examples
    --------
    >>> trials = lepton.submit(train, sweep={"lr": [1e-2, 1e-3]})  # doctest: +SKIP
    >>> trials.wait().best("accuracy").values["result"]  # doctest: +SKIP
    """
    pull = list(pull)
    swept = {name: _swept(name, values) for name, values in (sweep or {}).items()}
    searched = make_search(
        swept,
        repeat=_at_least(1, repeat, "--repeat"),
        trials=trials,
        search=search,
        prune=prune,
        metric=metric,
        mode=mode,
        seed=seed,
    )
    is_sweep = bool(swept) or repeat > 1
    points = [] if searched else _points(swept, repeat)
    options = {
        "pull": pull,
        "retries": _at_least(0, retries, "--retries"),
        "timeout": None if timeout is None else parse_seconds(timeout, "--timeout"),
        "stall": None if stall is None else parse_seconds(stall, "--stall"),
        "memory": None if memory is None else parse_bytes(memory, "--memory"),
        "keep": keep,
        **gang_options(_at_least(1, replicas, "--replicas"), checkpoint, keep),
        **device_words(gpus, precision, keep, replicas),
        "budget": None if budget is None else parse_money(budget, "--budget"),
        "energy": None if energy is None else parse_energy(energy, "--energy"),
        "place": None if place == "auto" else place,
    }
    if budget is not None:
        load_prices()  # what is wrong with them is said here
    if callable(work):
        source, shown, captured = _of_function(work, swept, push)
        options["pull"] = pull = [*pull, _RESULT]
    else:
        source = shown = work
        captured = capture(source, namespace or {}, push=push, params=swept)
        if keep is None:
            _check_pull(source, pull, captured)
    chosen = get_cluster(cluster)
    for payload in captured.payloads:
        path = records.payload_folder() / payload.digest
        if path.exists():
            path.touch()  # it is needed again: prune_payloads looks at its age
        else:
            payload.write(path)
    again = {  # what a child needs besides, and what `rerun` takes from the record
        "code": source,
        "payloads": [payload.digest for payload in captured.payloads],
        "cwd": str(Path.cwd()),
        "sys_path": [os.path.abspath(p) for p in sys.path if p],  # noqa: PTH100 (no resolving)
        "filename": filename,
        "sizes": captured.sizes,
        "literals": literals({n: v for n, v in swept.items() if not isinstance(v, Range)}),
        "datasets": addresses(source, captured, namespace or getattr(work, "__globals__", {})),
    }
    code = digest(shown)
    answer = chosen.channel.call(
        "submit",
        submission={
            "name": name,
            "sweep": is_sweep,
            "code": shown,
            "options": {**options, **again, "search": searched},
            "brought": captured.brought,
            "digest": code,
            **origin(),
        },
        params=points,
        estimates=estimates(code, points, captured.sizes, gpu=chosen.on_gpus),
        spec={
            **options,
            **again,
            "name": name,
            "affinity": None,
            "search": searched,
            "client": environment(),
        },
    )
    made = runs_of(answer["runs"])
    if is_sweep:
        return Sweep(answer["submission"], name, made)
    return made[0]


def _swept(variable: str, values: Any) -> list[Any] | Range:
    """Return the values of a variable as they are recorded, or the range that it has."""
    if not variable.isidentifier():
        raise UsageError(f"--sweep {variable}=…: {variable!r} cannot be a variable's name.")
    if isinstance(values, Range):
        return values
    if isinstance(values, str):
        try:
            if (found := ranges.read(values)) is not None:
                return found
        except ValueError as error:
            raise UsageError(f"--sweep {variable}={error}.") from None
    if isinstance(values, str) or not len(values):
        raise UsageError(f"--sweep {variable}: give it one value or more: {variable}=1,2,3.")
    return [_plain(variable, value) for value in values]


def _points(swept: Mapping[str, Any], repeat: int) -> list[dict[str, Any]]:
    grid = [dict(zip(swept, point, strict=True)) for point in itertools.product(*swept.values())]
    return [point for point in grid for _ in range(repeat)]


def _plain(variable: str, value: Any) -> Any:
    """Return a swept value that JSON can have, so that other programs can read the record."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, tuple | list):
        parts = [_plain(variable, part) for part in value]
        return tuple(parts) if isinstance(value, tuple) else parts
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UsageError(
        f"--sweep {variable}: {value!r} is a {type(value).__name__}. Sweep over numbers, strings, "
        "True, False, None or lists and tuples of them, and make the object from it in the cell."
    )


def _of_function(
    function: Callable[..., Any], sweep: Mapping[str, Any], push: Any
) -> tuple[str, str, Captured]:
    """Return a cell that calls `function`, what the record shows, and what comes along."""
    try:
        inspect.signature(function).bind(**dict.fromkeys(sweep))
    except TypeError as error:
        called = getattr(function, "__name__", repr(function))
        raise UsageError(f"{called}({', '.join(sweep)}) cannot be called: {error}.") from None
    arguments = ", ".join(f"{variable}={variable}" for variable in sweep)
    source = f"{_RESULT} = {_FUNCTION}({arguments})"
    own = getattr(inspect.unwrap(function), "__globals__", {})
    # The function's own globals, so that it sees the run's namespace as it sees the notebook's.
    namespace = own if isinstance(own, MutableMapping) else {}
    taken = {name: namespace.get(name, _MISSING) for name in (_FUNCTION,)}
    namespace[_FUNCTION] = function
    try:
        captured = capture(source, namespace, push=push, params=sweep)
    finally:
        for key, value in taken.items():
            if value is _MISSING:
                del namespace[key]
            else:
                namespace[key] = value
    try:
        shown = inspect.getsource(function)
    except (OSError, TypeError):
        shown = source
    return source, shown, captured


def _check_pull(source: str, pull: Sequence[str], captured: Captured) -> None:
    names = analyse(source)
    known = {*names.assigned, *(name for p in captured.payloads for name in p.names)}
    for wanted in pull:
        if wanted not in known and not names.opaque:
            raise UsageError(
                f"--pull {wanted}: the cell does not define {wanted!r}."
                f"{suggestion(wanted, known)} It defines: {', '.join(sorted(known)) or 'nothing'}."
            )


def _at_least(least: int, number: int, option: str) -> int:
    if number < least:
        raise UsageError(f"{option} is {number}; it must be {least} or more.")
    return number


_MISSING = object()
