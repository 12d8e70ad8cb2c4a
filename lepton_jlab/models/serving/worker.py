"""A worker: a process that holds a model and answers what its endpoint hands it."""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from lepton_jlab.errors import LeptonError
from lepton_jlab.models.serving import frames
from lepton_jlab.models.serving.plan import Work
from lepton_jlab.models.serving.tensors import Reply
from lepton_jlab.runs.child import linux

log = logging.getLogger("lepton.worker")


def main() -> None:
    """Load what the first message says, report on that, and answer until the endpoint is gone."""
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s", level="INFO")
    linux.die_with(os.getppid())
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        work = Work(**frames.receive(connection))
        try:
            answer = load(work, connection)
        except LeptonError as error:
            frames.send(connection, ("failed", str(error), type(error).__name__))
        except Exception as error:
            log.exception("loading failed")
            message = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            frames.send(connection, ("failed", f"It cannot be loaded: {message}", "LeptonError"))
        else:
            settle_memory()
            try:
                answer()
            except (EOFError, BrokenPipeError, ConnectionResetError):
                return


def settle_memory() -> None:
    """Look for garbage seldom, and not in what is loaded: lists of JSON are many and no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def load(work: Work, connection: socket.socket) -> Any:
    """Load a model or a serving cell; return what answers until the connection ends."""
    if work.cell is not None:
        from lepton_jlab.models.serving.cells.working import load_cell

        return load_cell(work, connection)
    engine, difference = load_model(work)
    frames.send(connection, ("ready", {"difference": difference}))

    def answer() -> None:
        while True:
            jobs = frames.receive(connection)
            start = time.perf_counter()
            replies, rows = engine.answer([job[1:] for job in jobs])
            took = time.perf_counter() - start
            answers = [(job[0], *plain(r)) for job, r in zip(jobs, replies, strict=True)]
            frames.send(connection, ("done", rows, took, answers))

    return answer


def plain(reply: Reply) -> tuple[int, bytes, bytes, tuple[tuple[bytes, bytes], ...]]:
    """Return a reply as the wire takes it."""
    return reply.status, reply.body, reply.kind, reply.headers


def load_model(work: Work) -> tuple[Any, float | None]:
    """Load and warm a model; also return how far it is off its stored answers, if there are any."""
    from lepton_jlab.models.feeding import ready
    from lepton_jlab.models.serving import runtimes
    from lepton_jlab.models.serving.engine import Engine
    from lepton_jlab.models.serving.race import difference_of, stored
    from lepton_jlab.models.serving.versions import signature_of
    from lepton_jlab.models.version import Version

    version = Version(work.model, work.version, Path(work.folder))
    run = runtimes.load(version, work.candidate, Path(work.file), work.threads)
    signature = signature_of(version, runtimes.runtime_of(work.candidate), work.allow_nan)
    recipe, model_inputs = version.recipe, version.inputs

    def prepare(raw: Any) -> Any:
        return ready(raw, model_inputs, recipe, str(version))

    engine = Engine(signature, run, None if recipe is None else prepare)
    inputs, _ = stored(version)
    for rows in (1, 2, 4, 8, 16, 32):
        run(_repeated(inputs, rows))
    return engine, difference_of(version, run)


def _repeated(inputs: Any, rows: int) -> Any:
    import numpy as np

    return {name: np.resize(array, (rows, *array.shape[1:])) for name, array in inputs.items()}


if __name__ == "__main__":
    main()
