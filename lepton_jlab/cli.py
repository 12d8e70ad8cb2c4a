"""jupyter lepton: parse, call, print."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from lepton_jlab.commands import Context, Result, perform, spoken
from lepton_jlab.errors import LeptonError, UsageError
from lepton_jlab.parsing import parse
from lepton_jlab.terminal import Progress, watch

DONE, FAILED, WRONG_USAGE = 0, 1, 2


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words say and return the exit status.

    Parameters
    ----------
    words : sequence of str, optional
        The words after ``jupyter lepton``; by default those of this process.

    Returns
    -------
    int
        0 done, 1 a run or an operation failed, 2 wrong usage.
    """
    try:
        return _answer(sys.argv[1:] if words is None else list(words))
    except UsageError as error:
        _tell(str(error))
        return WRONG_USAGE
    except LeptonError as error:
        _tell(str(error))
        return FAILED
    except KeyboardInterrupt:
        _tell("Interrupted.")
        return FAILED
    except BrokenPipeError:
        # Who read this has gone (`… | head`): say nothing, not even by Python's last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _answer(words: list[str]) -> int:
    if words == ["--version"]:
        from lepton_jlab import __version__

        print(__version__)
        return DONE
    args = parse(words, "terminal")
    as_json = getattr(args, "json", False)
    with Progress(sys.stderr) as progress:
        # Whatever a library prints on the way is not the answer.
        with contextlib.redirect_stdout(sys.stderr):
            result = perform(args, Context("terminal", progress=progress.say))
        status = _wait(result, args, progress) if result.waits else DONE
    if result.failed:
        status = FAILED
    if as_json:
        print(result.json())
    elif result.live and sys.stdout.isatty():
        result.live(sys.stdout)
    elif not result.waits:
        print(result.text)
    sys.stdout.flush()
    return status


def _wait(result: Result, args: Namespace, progress: Progress) -> int:
    """Follow the work to its end; an interrupt ends only the following."""
    from lepton_jlab.commands.runs import failure, going_on, in_turn

    shows_output = args.command == "run" and not args.json
    timeout = getattr(args, "timeout", None) if args.command == "runs wait" else None
    seconds = None
    if timeout is not None:
        from lepton_jlab.cluster.plan import parse_seconds

        seconds = parse_seconds(timeout, "--timeout")
    try:
        for runs in in_turn(result.work):
            watch(runs, progress, sys.stdout if shows_output else None, seconds)
    except KeyboardInterrupt:
        progress.clear()
    active = going_on(result.work)
    if active:
        keys = " ".join(work.id for work in result.work)
        _tell(f"Stopped waiting; {keys} goes on. Cancel it: %lepton runs cancel {keys}")
    return FAILED if active or failure(result.work) else DONE


def _tell(message: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(spoken(message, "terminal"), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
