"""The IPython shell in which a run's cell executes, with its displays sent to the worker."""

from __future__ import annotations

import contextlib
import inspect
import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn

from IPython.core import page
from IPython.core.autocall import ExitAutocall
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from traitlets import Type
from traitlets.config import Config

from lepton_jlab.errors import LeptonError
from lepton_jlab.runs.child.channel import Channel, Message


class _Publisher(DisplayPublisher):
    """`display`, `update_display` and `clear_output`."""

    def publish(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        source: object = None,  # noqa: ARG002  (old callers give it)
        *,
        transient: Mapping[str, Any] | None = None,
        update: bool = False,
        **_: object,
    ) -> None:
        self.shell.tell(_display(data, metadata, (transient or {}).get("display_id"), update))

    def clear_output(self, wait: bool = False) -> None:
        self.shell.tell({"type": "clear", "wait": wait})


class _Hook(DisplayHook):
    """The value of the cell's last expression."""

    def quiet(self) -> bool:
        return bool(self.semicolon_at_end_of_expression(self.shell.cell))

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(
        self, format_dict: Mapping[str, Any], md_dict: Mapping[str, Any] | None = None
    ) -> None:
        self.shell.tell(_display(format_dict, md_dict))

    def log_output(self, format_dict: Mapping[str, Any]) -> None:
        """Keep no copy: nobody looks at this process's history."""

    def finish_displayhook(self) -> None:
        self._is_active = False


class _Compiler(CachingCompiler):
    """Gives the cell the name under which its run is known, so that tracebacks show it."""

    filename = "cell"

    def get_code_name(self, *_: object) -> str:
        return self.filename

    def format_code_name(self, name: str) -> tuple[str, str] | None:
        if name not in self._filename_map or os.sep in name:
            return None  # it is shown as a file
        kind, _, rest = name.partition(" ")
        return (kind.capitalize(), rest) if rest else ("Cell", name)


class _Exit(ExitAutocall):
    """`exit` and `quit`, with or without brackets, end the cell."""

    def __call__(self, code: object = None) -> NoReturn:
        raise SystemExit(code)


class RunShell(InteractiveShell):
    """An IPython shell without terminal, prompt and history."""

    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_Hook)
    compiler_class = Type(_Compiler)

    channel: Channel | None = None
    cell = ""  # being executed, after IPython's transformations
    lines: list[str]  # of the last traceback shown

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lines = []
        self.events.register("pre_run_cell", self._remember)
        self.set_hook("show_in_pager", page.as_hook(page.display_page), 99)

    def run(self, code: str, filename: str) -> ExecutionResult:
        """Execute a cell and show its result or its error."""
        self.compile.filename = filename
        self.lines = []
        # Or each frame of the cell in a traceback would be looked up in all 3,500 modules that
        # TensorFlow has imported: 100 ms, when a run is cancelled.
        for name in (filename, os.path.abspath(filename)):  # noqa: PTH100
            inspect.modulesbyfile[name] = "__main__"
        return self.run_cell(code, store_history=False)

    def show(self, error: BaseException) -> None:
        """Show an error that did not come out of a cell's statements."""
        if isinstance(error, LeptonError):  # it says all there is to say
            self._showtraceback(type(error), error, [f"{type(error).__name__}: {error}"])
        else:
            self.showtraceback((type(error), error, error.__traceback__))

    def tell(self, message: Message) -> None:
        """Send a message whose place among the printed text matters."""
        if self.channel is not None:
            self.channel.send_in_order(message)

    def system(self, cmd: str) -> None:
        """Execute `!cmd`; what it prints goes where the cell's own text goes.

        IPython's own would run it in a pseudo-terminal and a session of its own, out of reach of
        the interrupt, and would end the command alone, not the cell.
        """
        __tracebackhide__ = True
        try:
            status = _execute(self.var_expand(cmd, depth=1))
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None  # the inside of `subprocess` explains nothing
        self.user_ns["_exit_code"] = status
        if self.system_raise_on_error and status != 0:
            raise subprocess.CalledProcessError(status, cmd)

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        kind, value, trace = exc_tuple or sys.exc_info()
        if isinstance(value, SystemExit):
            return  # says nothing in a notebook or a script either
        # IPython would print a group in one colour; and for an interrupt it would read the source
        # of all the frames it hit, TensorFlow's and Keras' mostly: half a second of a cancel.
        if isinstance(value, BaseExceptionGroup | KeyboardInterrupt):
            self._showtraceback(kind, value, traceback.format_exception(kind, value, trace))
        else:
            super().showtraceback(exc_tuple, *args, **kwargs)

    def show_usage_error(self, exc: UsageError) -> None:
        self._showtraceback(UsageError, exc, [f"UsageError: {exc}"])

    def _showtraceback(self, etype: Any, evalue: BaseException | None, stb: list[str]) -> None:
        self.lines = list(stb)
        self.tell(
            {
                "type": "error",
                "name": etype.__name__,
                "message": words_of(evalue),
                "traceback": self.lines,
            }
        )

    def enable_gui(self, gui: str | None = None) -> None:
        if gui not in (None, "inline"):
            raise UsageError(f"A run has no screen for {gui!r}: use %matplotlib inline.")

    def _exiter_default(self) -> _Exit:
        return _Exit(self)

    def _remember(self, info: Any) -> None:
        self.cell = info.transformed_cell or ""

    def _tee(self, *_: object, **__: object) -> contextlib.AbstractContextManager[None]:
        # IPython would keep all text in its history, at 1 µs a write.
        return contextlib.nullcontext()


@cache
def run_shell() -> RunShell:
    """Return this process's shell; the fork server has it made, for its 65 ms."""
    config = Config()
    config.HistoryManager.enabled = False  # no thread, no file
    config.InteractiveShell.cache_size = 0  # no Out: a kept child would hold every result
    warnings.filterwarnings("ignore", "To exit: use 'exit'")  # what it says of SystemExit
    shell: RunShell = RunShell.instance(config=config)
    return shell


def warm_up() -> None:
    """Have IPython import and compile what it needs for results and tracebacks."""
    shell = run_shell()
    for code in ("1", "%pwd", "def fail():\n    1 / 0\n\nfail()"):
        shell.run(code, "run r0")
    shell.reset(new_session=False)
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        vars(sys).pop(name, None)


def words_of(error: BaseException | None) -> str:
    """Return an error's own words, even where it cannot say them."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001
        return f"<{type(error).__name__} whose message cannot be shown>"


def _execute(command: str) -> int:
    """Execute a shell command; return its status."""
    shell = os.environ.get("SHELL")
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.stdout is sys.__stdout__:
        return subprocess.call(command, shell=True, executable=shell)  # noqa: S602
    with subprocess.Popen(  # noqa: S602
        command,
        shell=True,
        executable=shell,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        # %%capture and the like have put something of their own in the place of stdout.
        sys.stdout.writelines(process.stdout or ())
    return process.returncode


def _display(
    data: Mapping[str, Any],
    metadata: Mapping[str, Any] | None,
    display_id: str | None = None,
    update: bool = False,
) -> Message:
    return {
        "type": "display",
        "data": data,
        "metadata": metadata or {},
        "display_id": display_id,
        "update": update,
    }
