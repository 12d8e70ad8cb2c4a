"""Draws from an iterator in a thread of its own, a little ahead of who uses it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from lepton_jlab.data.stream.steps import close

_END = object()


def ahead(source: Iterator[Any], depth: int = 2) -> Iterator[Any]:
    """Yield what `source` yields; up to `depth` of it is made while the last one is used.

    The thread ends with the source, with an error of it, which is raised here, or when this
    iterator is closed.
    """
    made: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()
    room = threading.Semaphore(depth)
    left = threading.Event()

    def make() -> None:
        try:
            for item in source:
                made.put((item, None))
                del item
                room.acquire()
                if left.is_set():
                    break
            close(source)
            made.put((_END, None))
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are used
            made.put((_END, error))

    try:
        threading.Thread(target=make, name="lepton-ahead", daemon=True).start()
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
            del item
            room.release()
    finally:
        left.set()
        room.release()
