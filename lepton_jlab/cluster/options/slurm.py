"""What ``--engine slurm`` takes."""

from __future__ import annotations

import re
from typing import Any

from lepton_jlab.cluster.options.reading import plain, words
from lepton_jlab.errors import UsageError

NEEDS = "dask_jobqueue"
OPTIONS = (
    *("partition", "walltime", "account", "directives", "setup", "interface", "folder", "python"),
)
_WALLTIME = re.compile(r"\d+|(\d+-)?\d+(:\d\d){0,2}")


def check(given: dict[str, Any]) -> dict[str, Any]:
    """Return `given` with `directives` and `setup` as lists.

    Raises
    ------
    UsageError
        For a value that cannot be.
    """
    given = plain(dict(given))
    if "walltime" in given and not _WALLTIME.fullmatch(str(given["walltime"])):
        raise UsageError(
            f"--walltime {given['walltime']!r} is no time of SLURM's: 30 (minutes), 4:00:00, 2-0."
        )
    if "directives" in given:
        given["directives"] = words(given["directives"], "--directives")
        for directive in given["directives"]:
            if not directive.startswith("-") or "\n" in directive:
                raise UsageError(
                    f"--directives: {directive!r} is none of SLURM's; it begins with a dash: "
                    "--gres=gpu:1"
                )
    if "setup" in given:
        setup = given["setup"]
        given["setup"] = [setup] if isinstance(setup, str) else [str(line) for line in setup]
    return given
