"""The worker of a serving cell: executes the cell once, then answers with its functions."""

from __future__ import annotations

import ast
import asyncio
import inspect
import linecache
import os
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from lepton_jlab.errors import LeptonError, UsageError
from lepton_jlab.models.serving import frames
from lepton_jlab.models.serving.cells.functions import Function
from lepton_jlab.models.serving.engine import Engine
from lepton_jlab.models.serving.plan import Work
from lepton_jlab.models.serving.tensors import RefusedError, Reply, refusal
from lepton_jlab.models.serving.worker import load_model, plain
from lepton_jlab.runs import capture

_TOGETHER = 64  # requests that a worker with async functions has at a time

Job = tuple[int, str, bytes, int]


class CellModel:
    """What a serving cell knows as ``model``."""

    def __init__(self, engine: Engine) -> None:
        signature = engine.signature
        self._engine = engine
        self.name = signature.name
        self.version = signature.version
        self.classes = None if signature.classes is None else list(signature.classes)
        self.inputs = list(signature.inputs)
        self.outputs = list(signature.outputs)

    def predict(self, inputs: Any) -> Any:
        """Return the model's answer to samples, ``(samples, …)``, or to one of them."""
        tensors = self.inputs
        given = inputs if isinstance(inputs, dict) else {tensors[0].name: inputs}
        arrays = {t.name: np.asarray(given[t.name], _dtype(t.dtype)) for t in tensors}
        single = arrays[tensors[0].name].ndim == len(tensors[0].shape) - 1
        if single:
            arrays = {name: array[None] for name, array in arrays.items()}
        outputs = self._engine.predict(arrays)
        if single:
            outputs = {name: array[0] for name, array in outputs.items()}
        return next(iter(outputs.values())) if len(outputs) == 1 else dict(outputs)

    __call__ = predict


def _dtype(name: str) -> Any:
    return object if name == "string" else name


def load_cell(work: Work, connection: socket.socket) -> Callable[[], None]:
    """Execute the cell and return what answers requests.

    Raises
    ------
    LeptonError
        What the cell raises, or that it has no function to serve.
    """
    assert work.cell is not None
    engine = load_model(work)[0] if work.model else None
    names = _execute(work, engine)
    functions = {one.name: one for one in map(Function, _served(work.cell["source"], names))}
    window = _TOGETHER if any(one.is_async for one in functions.values()) else 1
    facts = [one.facts() for one in functions.values()]
    frames.send(connection, ("ready", {"window": window, "functions": facts}))

    def answer() -> None:
        connection.setblocking(False)
        asyncio.run(_Desk(connection, functions, engine).run())

    return answer


def _execute(work: Work, engine: Engine | None) -> dict[str, Any]:
    cell = work.cell
    assert cell is not None
    if cell["cwd"] and Path(cell["cwd"]).is_dir():
        os.chdir(cell["cwd"])
    sys.path[:] = [*cell["sys_path"], *(p for p in sys.path if p not in cell["sys_path"])]
    module = ModuleType("__main__")  # where a notebook's functions and classes live
    sys.modules["__main__"] = module
    names = module.__dict__
    capture.load(work.payloads, names)
    if engine is not None:
        names["model"] = CellModel(engine)
    source, filename = cell["source"], cell["filename"]
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    try:
        exec(compile(source, filename, "exec"), names)  # noqa: S102 - the owner's own cell
    except Exception as error:
        import traceback

        traceback.print_exc()  # into the endpoint's log
        line = next(
            (f.lineno for f in reversed(traceback.extract_tb(error.__traceback__))
             if f.filename == filename),
            None,
        )  # fmt: skip
        at = f" at line {line}" if line else ""
        raise LeptonError(f"The cell fails{at}: {type(error).__name__}: {error}") from error
    return names


def _served(source: str, names: dict[str, Any]) -> list[Callable[..., Any]]:
    """Return the functions that the cell defines; those that begin with ``_`` are its own."""
    defined = [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_"
    ]
    found = [names[name] for name in dict.fromkeys(defined) if inspect.isroutine(names.get(name))]
    if not found:
        raise UsageError("The cell defines no function to serve: def top(image: np.ndarray): …")
    return found


class _Desk:
    """Answers what comes over the connection; async functions several at a time."""

    def __init__(
        self, connection: socket.socket, functions: dict[str, Function], engine: Engine | None
    ) -> None:
        self._connection = connection
        self._functions = functions
        self._engine = engine
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        reader, self._writer = await asyncio.open_connection(sock=self._connection)
        splitter = frames.Splitter()
        while data := await reader.read(2**20):
            for jobs in splitter.feed(data):
                self._take(jobs)
            await self._writer.drain()

    def _take(self, jobs: list[Job]) -> None:
        start = time.perf_counter()
        of_model: list[Job] = []
        together: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
        done: list[tuple[int, Reply]] = []
        rows = 0
        for job in jobs:
            number, verb, body, _ = job
            if not verb.startswith("call:"):
                of_model.append(job)
                continue
            function = self._functions[verb.removeprefix("call:")]
            try:
                arguments = function.read(body)
            except RefusedError as error:
                done.append((number, refusal(error)))
                continue
            rows += 1
            if function.is_async:
                task = asyncio.ensure_future(self._later(number, function, arguments))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif function.is_batched:
                together[function.name].append((number, arguments))
            else:
                done.append((number, function.call(arguments)))
        for name, several in together.items():
            replies = self._functions[name].call_together([one for _, one in several])
            done += zip([number for number, _ in several], replies, strict=True)
        if of_model and self._engine is not None:
            replies, more = self._engine.answer([job[1:] for job in of_model])
            done += zip([job[0] for job in of_model], replies, strict=True)
            rows += more
        if done or not jobs:  # a batch of nothing asks whether we listen
            self._answer(done, rows, time.perf_counter() - start)

    async def _later(self, number: int, function: Function, arguments: dict[str, Any]) -> None:
        start = time.perf_counter()
        reply = await function.call_later(arguments)
        self._answer([(number, reply)], 1, time.perf_counter() - start)

    def _answer(self, done: list[tuple[int, Reply]], rows: int, took: float) -> None:
        answers = [(number, *plain(reply)) for number, reply in done]
        self._writer.write(frames.pack(("done", rows, took, answers)))
