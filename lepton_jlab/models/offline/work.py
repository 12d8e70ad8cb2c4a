"""What one process does of an offline prediction: read, ask, write, note, at the same time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.models.offline.asking import Asker, check_finite
from lepton_jlab.models.offline.plan import Plan, columns_for, recipe_of
from lepton_jlab.models.offline.reading import Reader
from lepton_jlab.models.version import Version

if TYPE_CHECKING:
    from lepton_jlab.data import Dataset

DONE = ".lepton-done"


@dataclass(frozen=True, slots=True)
class Job:
    """An offline prediction, as every process that takes part in it has it.

    Attributes
    ----------
    folder
        Of the unfinished result; its arrays are made already.
    """

    version: Version
    dataset: Dataset
    plan: Plan
    folder: Path
    allow_nan: bool

    def done(self) -> set[int]:
        """Return the first samples of the pieces that are written."""
        found = set()
        with suppress(FileNotFoundError):
            for line in (self.folder / DONE).read_text().splitlines():
                with suppress(ValueError):  # a line that a kill cut off
                    found.add(int(json.loads(line)["start"]))
        return found

    def note(self, start: int) -> None:
        """Note that a piece is written; several processes may at once."""
        line = json.dumps({"start": start, "pid": os.getpid()}) + "\n"
        file = os.open(self.folder / DONE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, b"\n" * self._torn(file) + line.encode())
        finally:
            os.close(file)

    def _torn(self, file: int) -> bool:
        """Whether the last line has no end, as its writer was killed."""
        size = os.fstat(file).st_size
        if not size:
            return False
        with (self.folder / DONE).open("rb") as reading:
            reading.seek(size - 1)
            return reading.read(1) != b"\n"


def share(job: Job, number: int, of: int) -> int:
    """Do every `of`-th of the pieces that are left; called in a run. Return how many were left."""
    import lepton_jlab as lepton

    done = job.done()
    left = [start for start in list(job.plan.pieces)[number::of] if start not in done]
    samples = 0
    for start in work(job, left):
        samples += min(job.plan.piece, job.plan.samples - start)
        lepton.log(samples=samples)
    return len(left)


def work(job: Job, pieces: Sequence[int]) -> Iterator[int]:
    """Compute pieces, and yield the start of each when it is written and noted.

    One block is read and prepared while another is computed and the answers of a third are written;
    so a few blocks are in memory, whatever the size of the dataset.

    Raises
    ------
    DataError, LeptonError
        If a chunk, a sample or the model fails. What was noted stays.
    """
    if not pieces:
        return
    import zarr

    from lepton_jlab.data.writing import write_block

    columns = columns_for(job.version, job.dataset)
    recipe = recipe_of(job.version, job.dataset)
    asker = Asker(job.version.folder, job.version.inputs, recipe, job.plan.batch)
    root = zarr.open_group(str(job.folder), mode="r+", use_consolidated=False)
    targets: dict[str, Any] = {
        tensor["name"]: root[tensor["name"]] for tensor in job.version.outputs
    }
    where = job.dataset.path

    def write(start: int, answers: dict[str, Any]) -> int:
        for name, values in answers.items():
            write_block(targets[name], start, values)
        job.note(start)
        return start

    with (
        Reader(columns) as reader,
        ThreadPoolExecutor(1, thread_name_prefix="lepton-read") as reading,
        ThreadPoolExecutor(1, thread_name_prefix="lepton-write") as writing,
    ):

        def read(block: tuple[int, int, int]) -> tuple[int, int, int, Any]:
            piece, start, stop = block
            return piece, start, stop, asker.prepare(reader.read(start, stop), where)

        written: Future[int] | None = None
        answers: dict[str, Any] = {}
        for piece, start, stop, ready in _ahead(reading, read, _blocks(job.plan, pieces)):
            got = asker.ask(ready)
            if not job.allow_nan:
                check_finite(ready, got, start, where)
            end = min(piece + job.plan.piece, job.plan.samples)
            answers = _joined(answers, got, start - piece, end - piece)
            if stop == end:
                if written is not None:
                    yield written.result()
                written = writing.submit(write, piece, answers)
                answers = {}
        if written is not None:
            yield written.result()


def _blocks(plan: Plan, pieces: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    """Yield the blocks of pieces: the start of the piece, and where the block starts and stops."""
    for piece in pieces:
        end = min(piece + plan.piece, plan.samples)
        for start in range(piece, end, plan.block):
            yield piece, start, min(start + plan.block, end)


def _ahead(
    pool: ThreadPoolExecutor, function: Callable[[Any], Any], things: Iterable[Any]
) -> Iterator[Any]:
    """Yield results in order, the next one being made meanwhile."""
    coming: Future[Any] | None = None
    for thing in things:
        following = pool.submit(function, thing)
        if coming is not None:
            yield coming.result()
        coming = following
    if coming is not None:
        yield coming.result()


def _joined(answers: dict[str, Any], got: dict[str, Any], at: int, size: int) -> dict[str, Any]:
    """Put the answers to a block where they are in their piece."""
    import numpy as np

    count = len(next(iter(got.values())))
    if at == 0 and count == size:
        return got
    if not answers:
        answers = {n: np.empty((size, *v.shape[1:]), v.dtype) for n, v in got.items()}
    for name, values in got.items():
        answers[name][at : at + count] = values
    return answers
