"""Work on stretches of a dataset, several at a time: by threads, or as a caller has it done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lepton_jlab.granted import granted

if TYPE_CHECKING:
    from lepton_jlab.data.dataset import Dataset

R = TypeVar("R")
P = TypeVar("P")

PIECE_BYTES = 16 << 20  # decoded, about: a few of them are in memory at a time

Progress = Callable[[int, int, str], None]


class Parallel(Protocol):
    """Calls a function on each of many things, several at a time, and yields results in order.

    The command layer has one that uses a cluster: functions are then picklable, of a module.
    """

    def __call__(self, function: Callable[[P], R], pieces: Sequence[P], /) -> Iterator[R]: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples `start` to `stop` of a dataset."""

    dataset: Dataset
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def read(self, name: str) -> Any:
        """Return an array's samples, shape ``(samples, …)``."""
        return self.dataset.arrays[name].read(self.start, self.stop)


def pieces_of(dataset: Dataset, *names: str) -> list[Piece]:
    """Cut a dataset where chunks of the largest of some arrays begin, to about 16 MiB each."""
    columns = [dataset.arrays[name] for name in names or dataset.arrays]
    if not columns or not len(dataset):
        return []
    leader = max(columns, key=lambda column: column.nbytes)
    sample = sum(max(1, column.nbytes // max(1, len(column))) for column in columns)
    chunk = max(1, int((leader.zarr.shards or leader.zarr.chunks)[0]))
    together = max(1, PIECE_BYTES // (sample * chunk)) * chunk
    cuts = leader.cuts(together)
    return [Piece(dataset, int(a), int(b)) for a, b in pairwise(cuts)]


def threaded(function: Callable[[P], R], pieces: Sequence[P]) -> Iterator[R]:
    """Call by a thread a core; results are yielded in order, and few wait to be taken."""
    cores = granted().threads
    on_way: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(cores, thread_name_prefix="lepton-pieces")
    try:
        for piece in pieces:
            on_way.append(pool.submit(function, piece))
            if len(on_way) > 2 * cores:
                yield on_way.popleft().result()
        while on_way:
            yield on_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def told(
    results: Iterator[R], pieces: Sequence[Piece], progress: Progress | None, text: str
) -> Iterator[R]:
    """Yield `results` and tell after each how many samples are done."""
    total = sum(map(len, pieces))
    done = 0
    for piece, result in zip(pieces, results, strict=True):
        done += len(piece)
        if progress is not None:
            progress(done, total, text)
        yield result


def silent(_done: int, _total: int, _text: str) -> None:
    """Report to nobody."""
