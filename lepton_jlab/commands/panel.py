"""`panel`: widgets in a notebook, a text that renews itself in a terminal, else one document."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import lepton_jlab as lepton
from lepton_jlab.commands.result import Context, Result, action, bound, spoken
from lepton_jlab.grammar import VIEWS

if TYPE_CHECKING:
    from lepton_jlab.panel.board import Panel
    from lepton_jlab.panel.facts import Facts

_EVERY = 1.0  # s between two looks
_SETTLE = 1.2  # s that a new sampler takes to know how busy things are


@action("panel")
def panel(args: Namespace, context: Context) -> Result:
    """Show one view or all."""
    from lepton_jlab.panel.audience import audience

    if context.place == "terminal" or args.json or (audience() != "person" and not args.out):
        return _written(args, context)
    made = lepton.panel(args.view, args.cluster)
    return Shown(made.document, repr(made), bindings=bound(args, made), panel=made)


@dataclass(frozen=True)
class Shown(Result):
    """A result that is a widget."""

    panel: Panel | None = None

    def _ipython_display_(self) -> None:
        assert self.panel is not None
        self.panel._ipython_display_()


def _written(args: Namespace, context: Context) -> Result:
    from lepton_jlab.panel.facts import facts_of

    if args.cluster:
        lepton.get_cluster(args.cluster)
    views = {name: facts_of(name, args.cluster) for name in ([args.view] if args.view else VIEWS)}
    if "resources" in views:
        time.sleep(_SETTLE)
    _read(views)

    def document() -> Any:
        documents = {name: facts.document() for name, facts in views.items()}
        return documents[args.view] if args.view else documents

    def live(out: TextIO) -> None:
        _follow(views, out, context)

    html = "".join(facts.html() for facts in views.values())
    return Result(document, _text(views, context), html, live=live)


def _read(views: Mapping[str, Facts]) -> None:
    for facts in views.values():
        facts.read()


def _text(views: Mapping[str, Facts], context: Context) -> str:
    if len(views) == 1:
        return spoken(next(iter(views.values())).text(), context.place)
    parts = (f"── {name} ──\n{facts.text()}" for name, facts in views.items())
    return spoken("\n\n".join(parts), context.place)


def _follow(views: Mapping[str, Facts], out: TextIO, context: Context) -> None:
    """Write the text over and over on the terminal's other screen until Ctrl-C."""
    import shutil

    out.write("\x1b[?1049h\x1b[?25l")  # what was on the screen comes back in the end
    try:
        while True:
            size = shutil.get_terminal_size()
            lines = _text(views, context).splitlines()
            left = len(lines) - (size.lines - 1)
            if left > 0:
                lines = [*lines[: size.lines - 2], f"… {left + 1} more lines"]
            lines.append(f"{time.strftime('%H:%M:%S')} · Ctrl-C ends")
            drawn = "\x1b[K\n".join(line[: size.columns] for line in lines)
            out.write(f"\x1b[H{drawn}\x1b[K\x1b[J")
            out.flush()
            time.sleep(_EVERY)
            _read(views)
    except KeyboardInterrupt:
        pass
    finally:
        out.write("\x1b[?25h\x1b[?1049l")
        out.flush()
