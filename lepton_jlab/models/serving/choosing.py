"""What a plan comes down to: which version, by which runtime, and why that one."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lepton_jlab.errors import LeptonError
from lepton_jlab.models.serving import runtimes
from lepton_jlab.models.serving.plan import Plan, Work
from lepton_jlab.models.serving.race import Lap, table
from lepton_jlab.models.version import Version


@dataclass(frozen=True, slots=True)
class Choice:
    """What is served.

    Attributes
    ----------
    version
        None where a cell serves without a model.
    candidate, file
        The runtime, or the export for it, and what it reads.
    why
        One sentence.
    laps
        Of the race, the winner first; none if there was no choice.
    """

    version: Version | None = None
    candidate: str = ""
    file: Path = Path()
    why: str = ""
    laps: tuple[Lap, ...] = field(default=())

    @property
    def title(self) -> str:
        return str(self.version) if self.version else "the cell"

    def work(self, plan: Plan, threads: int) -> Work:
        """Return what a worker loads."""
        if self.version is None:
            return Work(plan.name, threads=threads, cell=plan.cell)
        return Work(
            plan.name,
            self.version.name,
            self.version.number,
            str(self.version.folder),
            self.candidate,
            str(self.file),
            threads,
            plan.allow_nan,
            plan.cell,
        )


async def choose(
    plan: Plan, threads: int, known: dict[Any, Choice], tell: Callable[[str], None]
) -> Choice:
    """Find out what `plan` means; `known` holds the races that were run before.

    Raises
    ------
    NotFoundError
        If there is no such model or version.
    LeptonError
        If nothing here can serve it.
    """
    if plan.model is None:
        return Choice()
    version = Version.open(plan.model, plan.version)
    if plan.runtime != "auto":
        candidate, file = runtimes.chosen(version, plan.runtime)
        return Choice(version, candidate, file, "asked for")
    found = runtimes.available(version)
    if not found:
        raise LeptonError(
            f"Nothing here can serve {version}. Install TensorFlow: pip install 'lepton_jlab[cpu]'"
        )
    if len(found) == 1:
        [(candidate, file)] = found.items()
        return Choice(version, candidate, file, "the only one there is")
    key = (str(version), version.digest, tuple(sorted(found)), threads)
    if key not in known:
        tell(f"racing {', '.join(found)} on the stored samples")
        laps = await _race(version, threads)
        if laps[0].problem:
            raise LeptonError(f"No runtime can serve {version}:\n{table(laps)}")
        known[key] = Choice(version, laps[0].candidate, found[laps[0].candidate], _why(laps), laps)
    tell(known[key].why)
    return known[key]


def _why(laps: tuple[Lap, ...]) -> str:
    best = laps[0]
    others = [lap for lap in laps[1:] if not lap.problem]
    if not others:
        return f"{best.candidate} is the only one whose answers are as stored"
    second = others[0]
    return (
        f"{best.candidate}: {best.single * 1e3:.2f} ms for one sample, {best.batch * 1e3:.2f} ms "
        f"for 32; {second.candidate} takes {second.single * 1e3:.2f} and {second.batch * 1e3:.2f}"
    )


async def _race(version: Version, threads: int) -> tuple[Lap, ...]:
    asked = {"name": version.name, "version": version.number, "folder": str(version.folder)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lepton_jlab.models.serving.race"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await process.communicate(json.dumps({**asked, "threads": threads}).encode())
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise LeptonError(
            f"The race of the runtimes of {version} ended with status {process.returncode}. "
            "Choose one yourself: --runtime savedmodel"
        )
    return tuple(Lap(**lap) for lap in json.loads(output))
