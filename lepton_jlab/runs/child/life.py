"""What a forked child does: it makes itself at home, reads specifications, executes their cells."""

from __future__ import annotations

import atexit
import builtins
import functools
import getpass
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from lepton_jlab.data.stream import watchers
from lepton_jlab.runs.child import keras_fit, limits, linux, streams
from lepton_jlab.runs.child.cell import Cell
from lepton_jlab.runs.child.channel import Channel
from lepton_jlab.runs.child.interrupts import INTERRUPTS
from lepton_jlab.runs.child.shell import run_shell
from lepton_jlab.runs.log import record_with, recorder

if TYPE_CHECKING:
    from lepton_jlab.data.stream.report import StreamReport


def live(env: Mapping[str, str | None], descriptors: Sequence[int], parent: int) -> NoReturn:
    """Be a run child, from the fork to the end of the process.

    Parameters
    ----------
    env
        Environment variables to set or, with `None`, to unset.
    descriptors
        Standard output, standard error, message socket.
    parent
        The pid of the fork server, with which this process ends.
    """
    status = 1
    try:
        stdout, stderr, messages = descriptors
        streams.redirect(stdout, stderr)
        _settle(env, parent)
        _serve(Channel(socket.socket(fileno=messages)))
        status = 0
    except ConnectionError:  # the worker is gone
        pass
    except BaseException:  # noqa: BLE001  (the last place where it can be said)
        traceback.print_exc()
        streams.flush()
    finally:
        os._exit(status)


def get_ready() -> None:
    """Make what every child needs; the fork server does it once for all."""
    run_shell()
    keras_fit.report_keras()
    watchers.watch(_record_stream)
    limits.blas_libraries()


def _record_stream(report: StreamReport) -> None:
    if (own := recorder()) is not None:
        own.stream(report)


def _settle(env: Mapping[str, str | None], parent: int) -> None:
    """Make the forked process one of its own."""
    os.setsid()
    linux.die_with(parent)
    linux.adopt_orphans()  # what the cell leaves in the background then ends with this process
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    INTERRUPTS.install()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    limits.offer_to_oom_killer()
    for name, value in env.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    atexit._clear()  # those are the fork server's; multiprocessing does the same
    if (multiprocessing := sys.modules.get("multiprocessing.util")) is not None:
        atexit.register(multiprocessing._exit_function)
    os.register_at_fork(after_in_child=functools.partial(record_with, None))
    builtins.input = getpass.getpass = _no_input
    sys.breakpointhook = functools.partial(_no_input, "breakpoint()")


def _serve(channel: Channel) -> None:
    """Execute what the worker sends: one cell, or with `keep` all until it closes the channel."""
    get_ready()
    shell = run_shell()
    shell.channel = channel
    first = True
    while (spec := channel.receive()) is not None:
        if "become" in spec:  # something other than a run, such as a notebook's kernel
            import_module(spec["become"]).live(spec, channel)
            return
        if not first:
            INTERRUPTS.forget()
        first = False
        cell = Cell(spec, shell, channel)
        try:
            try:
                INTERRUPTS.begin()
                cell.prepare()
                cell.execute()
            finally:
                INTERRUPTS.end()
        except BaseException as error:  # noqa: BLE001  (whatever it is, it is the cell's)
            cell.fail(error)
        last = spec.get("keep") is None
        if last:
            atexit._run_exitfuncs()
        streams.flush()
        channel.send(cell.end())
        if last:
            return


def _no_input(prompt: object = "input()", *_: object, **__: object) -> NoReturn:
    raise EOFError(
        f"A run has no keyboard to answer {prompt!r}. Set the value in the cell, or give it as a "
        "variable (--push, --sweep)."
    )
