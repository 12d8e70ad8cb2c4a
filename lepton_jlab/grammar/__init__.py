"""The one definition of subcommands, options, defaults, help, and what completes each value.

Each noun has a file; `words` says what a subcommand and an option are.
"""

from __future__ import annotations

from lepton_jlab.grammar import clusters, cost, data, integration, models, runs, storage
from lepton_jlab.grammar.data import CODECS, GOALS
from lepton_jlab.grammar.integration import KINDS
from lepton_jlab.grammar.models import RUNTIMES
from lepton_jlab.grammar.storage import TIERS
from lepton_jlab.grammar.words import (
    OUT,
    Command,
    Kind,
    Option,
    Place,
    argument,
    command,
    option,
)

__all__ = [
    "CODECS",
    "COMMANDS",
    "GOALS",
    "KINDS",
    "RUNTIMES",
    "TIERS",
    "VIEWS",
    "Command",
    "Kind",
    "Option",
    "Place",
]

VIEWS = ("clusters", "runs", "data", "resources")

COMMANDS: tuple[Command, ...] = (
    *clusters.COMMANDS,
    *runs.COMMANDS,
    *cost.COMMANDS,
    *data.COMMANDS,
    *integration.COMMANDS,
    *storage.COMMANDS,
    *models.COMMANDS,
    command(
        "panel",
        "Show clusters, runs, data and resources, live; in a terminal until Ctrl-C.",
        argument("VIEW", help="one of them (default: all)", count="?", choices=VIEWS),
        option(
            "--cluster",
            metavar="NAME",
            help="only this cluster, its runs and its workers",
            completes="cluster",
        ),
        OUT,
    ),
    Command(
        ("help",),
        "Show the help of everything, or of some words: help runs show.",
        (argument("WORD", help="a command's words", count="*", completes="words"),),
    ),
)
