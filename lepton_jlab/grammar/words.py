"""What a subcommand and an option are, and the options that several subcommands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lepton_jlab.readers import identifier

Place = Literal["line", "cell", "terminal"]
Kind = Literal[
    "", "cluster", "endpoint", "run", "dataset", "source", "file", "variable", "model", "words"
]

EVERYWHERE: tuple[Place, ...] = ("line", "cell", "terminal")


@dataclass(frozen=True, slots=True)
class Option:
    """An option, a switch (it takes no value), or an argument (its one flag has no dash).

    Parameters
    ----------
    flags : tuple of str
        As typed; the last one gives the attribute its name.
    read : callable or None
        Turns a word into the value; None for a switch.
    count : {"", "?", "*", "+"}
        How many words an argument takes, as in argparse; an option with ``+`` may be repeated.
    sets : tuple of str
        For a switch that sets another attribute: its name and the value.
    excludes : str
        Options with the same word here exclude each other.
    required : bool
        For an option: it cannot be left out.
    places : tuple of str
        Where it can be used; elsewhere `elsewhere` is what the user is told.
    """

    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    read: Callable[[str], Any] | None = str
    count: Literal["", "?", "*", "+"] = ""
    default: Any = None
    choices: tuple[str, ...] = ()
    completes: Kind = ""
    sets: tuple[str, str] | None = None
    excludes: str = ""
    required: bool = False
    places: tuple[Place, ...] = EVERYWHERE
    elsewhere: str = ""

    @property
    def is_argument(self) -> bool:
        return not self.flags[0].startswith("-")

    @property
    def attribute(self) -> str:
        return self.flags[-1].lstrip("-").replace("-", "_").lower()


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand: its words, what it does, what it takes, and where it can be used."""

    words: tuple[str, ...]
    help: str
    options: tuple[Option, ...] = ()
    places: tuple[Place, ...] = ("line", "terminal")
    elsewhere: str = "it takes no cell; write it with one %"

    @property
    def name(self) -> str:
        return " ".join(self.words)


def switch(*flags: str, help: str, **more: Any) -> Option:  # noqa: A002 - argparse's own word
    return Option(flags, help, read=None, default=False, **more)


def option(*flags: str, help: str, metavar: str = "", **more: Any) -> Option:  # noqa: A002
    return Option(flags, help, metavar=metavar or flags[-1].lstrip("-").upper(), **more)


def argument(name: str, *, help: str, **more: Any) -> Option:  # noqa: A002
    return Option((name,), help, **{"metavar": name, **more})


def command(words: str, help: str, *options: Option, **more: Any) -> Command:  # noqa: A002
    return Command(tuple(words.split()), help, (*options, JSON), **more)


JSON = switch("--json", help="print one JSON document and nothing else")
FORCE = switch("-f", "--force", help="do it although something is lost by it")
OUT = option(
    "-o",
    "--out",
    metavar="VAR",
    help="put the result into this variable of the notebook",
    read=identifier,
    completes="variable",
    places=("line", "cell"),
    elsewhere="there are no variables in a terminal",
)
CLUSTER = option(
    "--cluster",
    metavar="NAME",
    help="on which cluster (default: the one in use, or the only one)",
    completes="cluster",
)
HERE = switch("--here", help="do it in this process, although a cluster runs")
DATASET = argument("PATH", help="folder of the dataset", completes="dataset")
