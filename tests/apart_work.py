"""What tests have done in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from lepton_jlab.errors import DataError


def add(a, b, progress):
    """Return a sum, after telling of it and printing things that are no answer."""
    print("noise", flush=True)
    print("more noise", file=sys.stderr, flush=True)
    progress(1, 2, "adding")
    return {"sum": a + b, "pid": os.getpid()}


def refuse(progress):
    raise DataError("no such thing; take another.")


def stumble(progress):
    raise KeyError("key")


def die(progress):
    print("last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def leave(progress):
    os._exit(3)


def sleep(path, progress):
    """Say which process this is, and stay."""
    partial = Path(path + ".partial")
    partial.write_text(str(os.getpid()))
    partial.rename(path)
    time.sleep(1e6)
