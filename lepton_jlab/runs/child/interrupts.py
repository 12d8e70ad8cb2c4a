"""Interrupts of a run child: each is for the cell that runs then, and for nobody else."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupts:
    """The handler of SIGINT, which counts before it raises KeyboardInterrupt.

    Keras and TensorFlow lose some: `pythonify_logs`, in which training on a GPU spends most of its
    time, has a bare `except`, and TensorFlow's C++ clears errors of `__len__`. By the count the
    loss is noticed, and made good at the next batch.
    """

    def __init__(self) -> None:
        self.count = 0
        self._wanted = False

    def __call__(self, *_: object) -> None:
        """Handle one."""
        self.count += 1
        if self._wanted:
            raise KeyboardInterrupt

    def begin(self) -> None:
        """From now on they are for the cell; so is one that came before the first cell."""
        self.install()
        self._wanted = True
        if self.count:
            raise KeyboardInterrupt

    def end(self) -> None:
        """From now on they are for nobody."""
        self._wanted = False
        self.install()

    def forget(self) -> None:
        """Forget those so far."""
        self.count = 0

    def install(self) -> None:
        """Be the handler, whatever a cell has put in its place."""
        signal.signal(signal.SIGINT, self)


INTERRUPTS = Interrupts()  # as there is one SIGINT in a process


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold an interrupt back until the block has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield  # KeyboardInterrupt is raised in the main thread alone
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        if before is not None:  # None: C code has set its own
            signal.signal(signal.SIGINT, before)
        if held:
            signal.raise_signal(signal.SIGINT)
