"""Calls a function in a new process: where TensorFlow is, may crash there, and is gone afterwards.

A notebook or server that only asks keeps its memory and its life; Ctrl-C ends the work at once.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from typing import IO, Any, TypeAlias

from lepton_jlab import errors
from lepton_jlab.errors import LeptonError

Progress: TypeAlias = Callable[[int, int, str], None]  # done, of how many (0: not known), what

_MODULE = "lepton_jlab.models.apart"
_SHOWN = 6  # lines of what a dying process said


def silent(_done: int, _total: int, _text: str) -> None:
    """Show no progress."""


def here() -> bool:
    """Whether TensorFlow is in this process anyway, so that another would only cost time."""
    return "tensorflow" in sys.modules


def call(
    function: str, arguments: dict[str, Any], progress: Progress = silent, grace: float = 0.0
) -> Any:
    """Call ``module:function`` with `arguments`, and `progress`, in a new Python process.

    Parameters
    ----------
    function
        Its address; it takes the arguments by name, and ``progress``.
    arguments
        JSON-ready.
    grace
        Seconds that it has to clear up when this is interrupted, before it is killed.

    Returns
    -------
    Any
        What it returned, by way of JSON.

    Raises
    ------
    LeptonError
        What it raised; or that the process died, and what it said last.
    """
    read, write = os.pipe()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(write)],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            pass_fds=[write],
            start_new_session=True,  # an interrupt comes to us, and we end it
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        os.close(write)
        try:
            spec = {"function": function, "arguments": arguments}
            _begin(process.stdin, spec)
            with os.fdopen(read, encoding="utf-8") as messages:
                end = _follow(messages, progress)
            process.wait()
        finally:
            if process.poll() is None and grace:
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(grace)
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdin:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        if end is None:
            said.seek(0)
            raise LeptonError(_died(process.returncode, said.read().decode(errors="replace")))
    if error := end.get("error"):
        kind = getattr(errors, error["kind"], LeptonError)
        raised = LeptonError.__new__(kind)
        raised.args = (error["message"],)
        raise raised.unless_forced() if error["forcible"] else raised
    return end["result"]


def _begin(stdin: IO[bytes] | None, spec: dict[str, Any]) -> None:
    """Tell what to do. The pipe stays open: its end tells the child that we are gone."""
    if stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it died; its end is noticed below
            stdin.write(json.dumps(spec).encode() + b"\n")
            stdin.flush()


def _follow(messages: IO[str], progress: Progress) -> dict[str, Any] | None:
    for line in messages:
        message: dict[str, Any] = json.loads(line)
        if "progress" in message:
            progress(*message["progress"])
        else:
            return message
    return None


def _died(status: int, said: str) -> str:
    what = f"ended with status {status}"
    if status < 0:
        name = signal.Signals(-status).name
        what = f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    lines = [line for line in said.splitlines() if line.strip()][-_SHOWN:]
    last = f" It said last: {' | '.join(lines)}" if lines else ""
    return f"The process that did this {what}.{last}"


def main() -> None:
    """Do what the first line of standard input says."""
    out = os.fdopen(int(sys.argv[1]), "w", buffering=1, encoding="utf-8")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    spec = json.loads(sys.stdin.buffer.readline())
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent does with it
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def progress(done: int, total: int, text: str) -> None:
        out.write(json.dumps({"progress": [done, total, text]}) + "\n")

    module, _, name = spec["function"].partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
        end = {"result": function(**spec["arguments"], progress=progress)}
    except LeptonError as error:
        kind = type(error).__name__
        end = {"error": {"kind": kind, "message": str(error), "forcible": error.forcible}}
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as error:  # noqa: BLE001 - told by whoever asked
        traceback.print_exc()
        told = f"{type(error).__name__}: {error}"
        end = {"error": {"kind": "LeptonError", "message": told, "forcible": False}}
    out.write(json.dumps(end) + "\n")
    out.flush()
    os._exit(0)  # TensorFlow takes its time to leave


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
