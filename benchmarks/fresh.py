"""Measures in a new process that may use all cores: what trains in a notebook has them, too."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from benchmarks.home import CAPS

T = TypeVar("T")


def in_new_process(function: Callable[..., T], *arguments: Any) -> T:
    """Call `function` in a new process without the caps that cells have; return what it returns.

    Raises
    ------
    RuntimeError
        If the process ended without an answer.
    """
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_answer, args=(there, function, arguments))
    with _uncapped():
        process.start()
    there.close()
    try:
        value, error = here.recv()
    except EOFError:
        raise RuntimeError(f"{function.__module__} ended without an answer.") from None
    finally:
        if process.is_alive():
            process.join(1.0)
        process.kill()  # also when this one is told to end
        process.join()
    if error is not None:
        raise error
    return value


def _answer(there: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        answer = (function(*arguments), None)
    except Exception as error:
        error.__traceback__ = None
        answer = (None, error)
        import traceback

        traceback.print_exc()
    there.send(answer)


@contextmanager
def _uncapped() -> Any:
    """Take the caps out of the environment for a while, for a process that is started in it."""
    held = {name: os.environ.pop(name) for name in CAPS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)
