"""Standard output and error of a process whose descriptors 1 and 2 lead to a worker."""

from __future__ import annotations

import io
import os
import sys
import time
from contextlib import suppress

from lepton_jlab.runs.child import linux

_PATIENCE = 0.05  # seconds
SHIFT_OUT, SHIFT_IN = "\x0e", "\x0f"  # ASCII's own way to switch to another set and back


class LiveStream(io.TextIOWrapper):
    r"""Text in UTF-8, written out at the end of each line, and soon where a line stays open.

    `print(".", end="")` and `print(f"\r{n}", end="")` are seen while they happen, as in a notebook:
    an open line is written out if the last one was more than 50 ms ago.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(
            io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False)),
            encoding="utf-8",
            errors="replace",
            line_buffering=True,
        )
        self._due = 0.0

    def write(self, text: str, /) -> int:
        count = super().write(text)
        if text[-1:] != "\n" and (now := time.monotonic()) > self._due:
            self._due = now + _PATIENCE
            self.flush()
        return count


class ErrorStream(LiveStream):
    """Standard error of Python code: on standard output's descriptor, so that the two keep order.

    Two pipes could not tell which of them was written first. What is an error is marked by the
    characters that shift out and in; C code and commands still write to descriptor 2.
    """

    def write(self, text: str, /) -> int:
        if sys.__stdout__ is not None:
            with suppress(OSError, ValueError):
                sys.__stdout__.flush()
        super().write(f"{SHIFT_OUT}{text}{SHIFT_IN}")
        self.flush()
        return len(text)


def open_streams() -> None:
    """Put live streams in the place of `sys.stdout` and `sys.stderr`.

    The fork server does this before it imports anything, so that what libraries keep (logging
    handlers, for instance) leads to descriptors 1 and 2 of whichever child they later run in.
    """
    sys.stdout = sys.__stdout__ = LiveStream(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = ErrorStream(1)  # type: ignore[misc]


def redirect(stdout: int, stderr: int) -> None:
    """Lead descriptors 1 and 2 to those given, and 0 to nothing."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
        os.close(source)


def flush() -> None:
    """Write out everything that Python or C code has printed so far."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None:
            with suppress(OSError, ValueError):  # the cell may have closed it
                stream.flush()
    linux.flush_c_output()
