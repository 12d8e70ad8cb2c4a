"""Turns a line or a list of words into arguments, and writes the help, both by the grammar."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from lepton_jlab.errors import UsageError, suggestion
from lepton_jlab.grammar import COMMANDS, Command, Option, Place
from lepton_jlab.readers import one_of, scan

PREFIX: dict[Place, str] = {"line": "%lepton", "cell": "%%lepton", "terminal": "jupyter lepton"}


def split(line: str) -> list[str]:
    """Cut a magic's line into words.

    Quotes keep spaces together, and so do brackets: ``lr=[1e-2, 1e-3]`` is one word. A ``#`` after
    a space begins a comment.

    Raises
    ------
    UsageError
        When a quote or a bracket is not closed.
    """
    words: list[str] = []
    word: str | None = None
    depth = 0
    try:
        for position, depth, quoted in scan(line):
            char = line[position]
            if char.isspace() and not depth:
                words += [word] if word is not None else []
                word = None
            elif char == "#" and word is None:
                break
            else:
                # Inside brackets the quotes are Python's own; outside they are ours.
                word = (word or "") + ((quoted if depth else quoted[1:-1]) if quoted else char)
    except ValueError as error:
        raise UsageError(f"This line cannot be read: {error}.") from None
    if depth:
        raise UsageError(f"This line cannot be read: a bracket is not closed: {word}")
    return [*words, word] if word is not None else words


def parse(words: Sequence[str], place: Place = "line") -> argparse.Namespace:
    """Read the words after ``%lepton`` or ``jupyter lepton``.

    Returns
    -------
    argparse.Namespace
        The command's options and arguments, and ``command``, its words with spaces between.

    Raises
    ------
    UsageError
        For what the grammar does not know or allow, with the nearest suggestion.
    """
    if not words:
        if place == "cell":
            raise UsageError("What shall this cell do? To run it on a cluster: %%lepton run")
        return argparse.Namespace(command="help", word=[])
    if asked := {"-h", "--help"}.intersection(words):
        known = words[: min(words.index(flag) for flag in asked)]
        while known and not within(known):
            known = known[:-1]
        return argparse.Namespace(command="help", word=list(known))
    command = resolve(words, place)
    rest = words[len(command.words) :]
    _check_options(command, rest, place)
    parser = parser_of(command, place)
    args, unknown = parser.parse_known_args(list(_spread(command, rest)))
    if unknown:
        parser.error(f"it does not take {unknown[0]!r}")
    args.command = command.name
    return args


def within(words: Sequence[str]) -> list[Command]:
    """Return the commands that begin with `words`."""
    return [c for c in COMMANDS if c.words[: len(words)] == tuple(words)]


def resolve(words: Sequence[str], place: Place) -> Command:
    """Return the command that `words` begin with.

    Raises
    ------
    UsageError
        When there is none, or it cannot be used in this place.
    """
    first = words[0]
    for command in COMMANDS:
        if command.words == tuple(words[: len(command.words)]):
            if place not in command.places:
                raise UsageError(f"{PREFIX[place]} {command.name}: {command.elsewhere}.")
            return command
    verbs = [c.words[1] for c in COMMANDS if c.words[0] == first]
    if not verbs:
        # A verb without its noun, else a misspelled noun.
        full = [c.name for c in COMMANDS if c.words[-1] == first]
        hint = f" Did you mean {' or '.join(map(repr, full))}?" if full else ""
        nouns = dict.fromkeys(c.words[0] for c in COMMANDS)
        hint = hint or suggestion(first, nouns)
        raise UsageError(f"There is no command {first!r}.{hint} All: %lepton help")
    listed = ", ".join(verbs)
    if len(words) == 1:
        raise UsageError(f"{PREFIX[place]} {first} needs another word: {listed}.")
    raise UsageError(
        f"{PREFIX[place]} {first} does not know {words[1]!r}.{suggestion(words[1], verbs)} "
        f"It knows: {listed}."
    )


def options_of(command: Command, place: Place) -> list[Option]:
    """Return what `command` takes in this place."""
    return [option for option in command.options if place in option.places]


def help_of(words: Sequence[str] = (), place: Place = "line") -> str:
    """Return the help of one command, of all that begin with `words`, or of everything.

    Raises
    ------
    UsageError
        When no command begins with `words`.
    """
    found = within(words)
    if not found:
        resolve(words, place)
    if len(found) == 1:
        there = place if place in found[0].places else found[0].places[0]
        return parser_of(found[0], there).format_help().rstrip()
    width = max(len(command.name) for command in found)
    lines = [f"  {command.name:{width}}  {command.help}" for command in found]
    prefix = PREFIX["line" if place == "cell" else place]
    about = " ".join([prefix, *words, "…"])
    return "\n".join([f"usage: {about}", "", *lines, "", f"More on each: {prefix} help WORDS"])


class _Parser(argparse.ArgumentParser):
    """One that raises instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ")
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            message = f"{missing} is missing"
        end = "" if message.endswith(("?", ".")) else "."
        name = self.prog.lstrip("%").removeprefix("jupyter ").removeprefix("lepton ")
        raise UsageError(f"{self.prog}: {message}{end} Help: %lepton help {name}")


def parser_of(command: Command, place: Place) -> argparse.ArgumentParser:
    """Make argparse's form of one command."""
    parser = _Parser(
        prog=f"{PREFIX[place]} {command.name}",
        description=command.help,
        add_help=False,
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=96),
    )
    groups: dict[str, Any] = {}
    for option in options_of(command, place):
        target: Any = parser
        if option.excludes:
            if option.excludes not in groups:
                groups[option.excludes] = parser.add_mutually_exclusive_group()
            target = groups[option.excludes]
        flags, settings = _as_argparse(option)
        target.add_argument(*flags, **settings)
    return parser


def _as_argparse(option: Option) -> tuple[tuple[str, ...], dict[str, Any]]:
    settings: dict[str, Any] = {"help": option.help}
    if option.sets:
        attribute, value = option.sets
        return option.flags, settings | {
            "action": "store_const",
            "dest": attribute,
            "const": value,
        }
    if option.read is None:
        return option.flags, settings | {"action": "store_true", "default": option.default}
    read = one_of(option.choices) if option.choices and option.read is str else option.read
    settings |= {"type": read, "metavar": option.metavar, "default": option.default}
    if option.count:
        settings |= {"nargs": option.count} if option.is_argument else {"action": "append"}
    if option.required:
        settings["required"] = True
    return (option.attribute,) if option.is_argument else option.flags, settings


def _spread(command: Command, words: Sequence[str]) -> Iterator[str]:
    """Give each of the words in ``--sweep a=1,2 b=3,4`` its own ``--sweep``."""
    repeated = {f for o in command.options if o.count and not o.is_argument for f in o.flags}
    flag = previous = ""
    for word in words:
        if word in repeated:
            flag = word
        elif flag and "=" in word and not word.startswith("-"):
            if previous != flag:
                yield flag
        else:
            flag = ""
        yield (previous := word)


def _check_options(command: Command, words: Sequence[str], place: Place) -> None:
    """Refuse unknown options by name; argparse would stumble over their values first."""
    here = {flag for option in options_of(command, place) for flag in option.flags}
    barred = {f: o for o in command.options if place not in o.places for f in o.flags}
    for word in words:
        if word == "--":
            return
        flag = word.split("=")[0] if word.startswith("--") else word[:2]
        if not _is_option(word) or flag in here:
            continue
        prefix = f"{PREFIX[place]} {command.name}"
        if flag in barred:
            raise UsageError(f"{prefix} has no {flag} here: {barred[flag].elsewhere}.")
        known = [known for known in here if known.startswith("--")]
        raise UsageError(
            f"{prefix} has no option {flag}.{suggestion(flag, known)} "
            f"Help: %lepton help {command.name}"
        )


def _is_option(word: str) -> bool:
    return len(word) > 1 and word[0] == "-" and " " not in word and not _is_number(word)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
