"""jupyter lepton: parse, call, print."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TextIO

from lepton_jlab.commands import Context, Result, perform
from lepton_jlab.errors import LeptonError, UsageError
from lepton_jlab.parsing import parse

DONE, FAILED, WRONG_USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words say and return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``jupyter lepton``; by default those of this process.

    Returns
    -------
    int
        0 done, 1 a run or an operation failed, 2 wrong usage.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        return _answer(words)
    except UsageError as error:
        _complain(error)
        return WRONG_USAGE
    except LeptonError as error:
        _complain(error)
        return FAILED
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # Who read us has gone (`… | head`); Python must not complain about it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _answer(words: list[str]) -> int:
    if words == ["--version"]:
        from lepton_jlab import __version__

        print(__version__)
        return DONE
    args = parse(words, "terminal")
    progress = _Progress(sys.stderr)
    # Nothing but the answer goes to stdout, whatever a library may print on the way.
    with contextlib.redirect_stdout(sys.stderr), progress:
        result = perform(args, Context("terminal", progress=progress.say))
    status = DONE
    if result.work and (args.command == "runs wait" or args.wait):
        status = _wait(result, args, progress)
    print(result.json() if getattr(args, "json", False) else _spoken(result.text))
    sys.stdout.flush()
    return status


class _Progress:
    """Lines on stderr: one that is written over and over on a terminal, else one per change."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rewrites = stream.isatty()
        self._last = ""

    def say(self, text: str) -> None:
        if text == self._last:
            return
        self._last = text
        end = "" if self._rewrites else "\n"
        self._stream.write(f"{self._clear}{text}{end}")
        self._stream.flush()
