"""Directive ``lepton-commands NOUN``: the subcommands of a noun, from the grammar itself."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive

from lepton_jlab.grammar import COMMANDS, Command, Option
from lepton_jlab.parsing import PREFIX


class Commands(Directive):
    """Write a section for each subcommand that begins with a word; without one, for the others."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        nouns = {command.words[0] for command in COMMANDS if len(command.words) > 1}
        noun = self.arguments[0] if self.arguments else None
        return [
            _section(command)
            for command in COMMANDS
            if (command.words[0] == noun if noun else command.words[0] not in nouns)
        ]


def _section(command: Command) -> nodes.section:
    section = nodes.section(ids=["-".join(command.words)])
    section += nodes.title(text=command.name)
    section += nodes.paragraph(text=command.help)
    forms = "\n".join(f"{PREFIX[place]} {command.name}{_line(command)}" for place in command.places)
    section += nodes.literal_block(forms, forms, language="text")
    options = nodes.option_list()
    for option in command.options:
        text = option.help + _rest(option)
        shown = nodes.option_string(text=_form(option))
        options += nodes.option_list_item(
            "",
            nodes.option_group("", nodes.option("", shown)),
            nodes.description("", nodes.paragraph(text=text)),
        )
    section += options
    return section


def _line(command: Command) -> str:
    words = []
    for option in command.options:
        if option.is_argument:
            word = option.metavar + (" …" if option.count in ("+", "*") else "")
            words.append(f"[{word}]" if option.count in ("?", "*") else word)
    return "".join(f" {word}" for word in words) + " [OPTIONS]"


def _form(option: Option) -> str:
    if option.is_argument:
        return option.metavar
    names = ", ".join(option.flags)
    return names if option.read is None else f"{names} {option.metavar}"


def _rest(option: Option) -> str:
    """Say what the help leaves to the grammar: choices, and where the option cannot be used."""
    told = ""
    if option.choices and not any(choice in option.help for choice in option.choices):
        told += f" ({', '.join(option.choices)})"
    if len(option.places) == 1:
        told += f" Only in a {'terminal' if option.places[0] == 'terminal' else option.places[0]}."
    return told


def setup(app: Any) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("lepton-commands", Commands)
    return {"version": "1", "parallel_read_safe": True}
