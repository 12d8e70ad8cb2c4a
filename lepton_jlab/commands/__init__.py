"""What each subcommand does: one call of the API, and a result that is shown or printed.

A new subcommand is an entry in `lepton_jlab.grammar` and a function here, in the file of its noun.
"""

from __future__ import annotations

from argparse import Namespace

from lepton_jlab.commands import (
    cleaning,
    cluster,
    cost,
    data,
    fusing,
    labelling,
    models,
    panel,
    runs,
    serving,
    storage,
    tiers,
)
from lepton_jlab.commands.result import ACTIONS, Context, Result, action, spoken
from lepton_jlab.parsing import help_of

__all__ = [
    "Context",
    "Result",
    "cleaning",
    "cluster",
    "cost",
    "data",
    "fusing",
    "labelling",
    "models",
    "panel",
    "perform",
    "runs",
    "serving",
    "spoken",
    "storage",
    "tiers",
]


def perform(args: Namespace, context: Context) -> Result:
    """Do what `args`, from `lepton_jlab.parsing.parse`, say.

    Raises
    ------
    LeptonError
        Whatever the API refuses.
    """
    return ACTIONS[args.command](args, context)


@action("help")
def show_help(args: Namespace, context: Context) -> Result:
    """Show the help of some words."""
    text = help_of(args.word, context.place)
    return Result(lambda: text, text)
