"""The words of what work costs."""

from __future__ import annotations

from lepton_jlab.grammar.words import Command, argument, command, option
from lepton_jlab.readers import positive

BY = ("run", "sweep", "day")

COMMANDS: tuple[Command, ...] = (
    command(
        "cost",
        "Show what runs have cost, what idle GPUs waste, and what storage saves.",
        argument(
            "ID", help="only these runs and sweeps (default: all)", count="*", completes="run"
        ),
        option("--by", help="a row for each of these", choices=BY, default="sweep"),
        option("--days", metavar="N", help="only the last N days", read=positive),
    ),
)
