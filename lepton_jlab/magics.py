"""%lepton and %%lepton: parse, call, display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lepton_jlab.commands import Context, Result, perform
from lepton_jlab.commands.runs import failure, going_on
from lepton_jlab.completion import matcher
from lepton_jlab.errors import LeptonError, UsageError
from lepton_jlab.grammar import Place
from lepton_jlab.parsing import help_of, parse, split

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load(ip: InteractiveShell) -> None:
    """Register ``%lepton``, ``%%lepton`` and their completion; again does no harm."""
    unload(ip)

    def line_magic(line: str) -> None:
        _answer(ip, "line", line)

    def cell_magic(line: str, cell: str) -> None:
        _answer(ip, "cell", line, cell)

    line_magic.__doc__ = help_of()
    cell_magic.__doc__ = help_of(["run"], "cell")
    ip.register_magic_function(line_magic, "line", "lepton")
    ip.register_magic_function(cell_magic, "cell", "lepton")
    ip.Completer.custom_matchers.append(matcher(ip))


def unload(ip: InteractiveShell) -> None:
    """Take away all that `load` registered."""
    for kind in ("line", "cell"):
        ip.magics_manager.magics[kind].pop("lepton", None)
    ip.Completer.custom_matchers[:] = [
        known
        for known in ip.Completer.custom_matchers
        if getattr(known, "matcher_identifier", "") != "lepton"
    ]


def child_source(line: str, cell: str) -> str:
    """Return a cell as its run executes it: a traceback there counts lines as the notebook does.

    A comment stands for the magic line (an empty line would not: IPython strips those). A cell
    that itself begins with a cell magic stays as it is, for that has to come first.
    """
    if cell.lstrip().startswith("%%"):
        return cell
    return f"# %%lepton {' '.join(line.split())}\n{cell}"


def _answer(ip: InteractiveShell, place: Place, line: str, cell: str = "") -> None:
    try:
        args = parse(split(line), place)
        if place == "cell" and args.command == "run" and not cell.strip():
            raise UsageError("%%lepton run: the cell is empty.")
        output = _Output(silent=getattr(args, "json", False))
        code = child_source(line, cell) if place == "cell" else ""
        result = perform(args, Context(place, ip.user_ns, code, output.progress))
        ip.push(dict(result.bindings))
        if result.work:
            _follow(result, drawn=not output.silent)
        elif not output.silent:
            output.show(result)
        if output.silent:
            print(result.json())
        if result.waits and (error := failure(result.work)):
            raise error
    except LeptonError as error:
        # One line in red instead of a traceback through this package; the cell has failed all the
        # same, for nbclient and papermill too.
        lines = [f"{type(error).__name__}: {error}"]
        error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
        raise


def _follow(result: Result, *, drawn: bool) -> None:
    """Draw runs in the cell, from now on; wait for them if that was asked for."""
    from lepton_jlab.runs.views import live

    if drawn:
        for work in result.work:
            live.show(work)
    if not result.waits:
        return
    waited: tuple[Any, ...] = result.work  # runs and sweeps; `live.wait` is typed for either
    for work in waited:
        if drawn:
            live.wait(work)
        else:
            work.wait()
        if going_on([work]):
            return  # the waiting was interrupted


class _Output:
    """Progress, then the result in its place, in the cell that asked."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent
        self._handle: Any = None

    def progress(self, text: str) -> None:
        if not self.silent:
            self._put({"text/plain": text}, raw=True)

    def show(self, result: Result) -> None:
        self._put(result, raw=False)

    def _put(self, what: Any, *, raw: bool) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(what, raw=raw, display_id=True)
        else:
            self._handle.update(what, raw=raw)
