"""What a command is given, what it gives back, and how it is found by its words."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from lepton_jlab.documents import plain
from lepton_jlab.grammar import Place

if TYPE_CHECKING:
    from lepton_jlab.runs import Run, Sweep


def _silent(text: str) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Context:
    """Where a command was given.

    Parameters
    ----------
    place : {"line", "cell", "terminal"}
        By whom.
    namespace : dict
        The notebook's variables; empty in a terminal.
    code : str
        The cell's source.
    progress : callable
        Takes one short line whenever something changes.
    """

    place: Place = "line"
    namespace: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    progress: Callable[[str], None] = _silent


@dataclass(frozen=True, slots=True)
class Result:
    """What a command has to show.

    Parameters
    ----------
    document : callable
        Makes the JSON form; asked for after the waiting, if there is any.
    text, html : str
        For the terminal and for the notebook.
    bindings : mapping
        Variables that the notebook gets.
    work : tuple of Run and Sweep
        What goes on and can be followed.
    live : callable
        Goes on showing it in a terminal until it is interrupted.
    failed : bool
        Whether it is bad news: a terminal's exit status is 1.
    waits : bool
        Whether the command ends with its work, and fails if that does.
    """

    document: Callable[[], Any]
    text: str = ""
    html: str = ""
    bindings: Mapping[str, Any] = field(default_factory=dict)
    work: tuple[Run | Sweep, ...] = ()
    waits: bool = False
    failed: bool = False
    live: Callable[[TextIO], None] | None = None

    def json(self) -> str:
        """Return the one JSON document."""
        return json.dumps(plain(self.document()), indent=2, ensure_ascii=False, default=str)

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str | None:
        return self.html or None


Action = Callable[[Namespace, Context], Result]
ACTIONS: dict[str, Action] = {}


def action(words: str) -> Callable[[Action], Action]:
    """Make a function what the subcommand `words` does."""

    def register(act: Action) -> Action:
        ACTIONS[words] = act
        return act

    return register


def spoken(text: str, place: Place) -> str:
    """Name commands as they are typed in this place; messages of the API name the magics."""
    if place != "terminal":
        return text
    text = text.replace("%%lepton run", "jupyter lepton run FILE.py")
    return text.replace("%lepton", "jupyter lepton")


def bound(args: Namespace, value: object) -> dict[str, object]:
    """Return what ``-o VAR`` puts into the notebook."""
    name = getattr(args, "out", None)
    return {name: value} if name else {}
