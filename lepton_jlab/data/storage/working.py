"""Work on many files by threads: it tells how far it is, and an interrupt ends it soon."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lepton_jlab.data.parallel import Progress

F = TypeVar("F")
R = TypeVar("R")


def by_threads(
    work: Callable[[F], R], files: Sequence[F], progress: Progress, text: str
) -> Iterator[R]:
    """Yield what `work` makes of each file, in order; what has not begun when it is left never is.

    Parameters
    ----------
    progress
        Called with (done, in all, `text`) after each file.
    """
    pool = ThreadPoolExecutor(thread_name_prefix="lepton-files")
    try:
        for done, made in enumerate(pool.map(work, files), 1):
            progress(done, len(files), text)
            yield made
    finally:
        pool.shutdown(cancel_futures=True)
