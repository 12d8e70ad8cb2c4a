"""The floor of isolation: children of Lepton's fork server without cluster, records or kernel."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.home import CAPS, WORKERS


@contextmanager
def bare_children() -> Iterator[Callable[[str, int], None]]:
    """Start a fork server and two lanes; each forks its next child while a cell runs."""
    with asyncio.Runner() as runner:
        lanes = runner.run(_open())
        try:
            yield lambda cell, count: runner.run(_run(lanes, cell, count))
        finally:
            for lane in lanes:
                runner.run(lane.close())


async def _open() -> list[_Lane]:
    from lepton_jlab.runs.forkserver import connect_or_start

    folder = Path(tempfile.mkdtemp(prefix="bare-"))
    lanes = [
        _Lane(await connect_or_start(folder, ["tensorflow", "keras"]), folder)
        for _ in range(WORKERS)
    ]
    await lanes[0].server.ready()
    return lanes


async def _run(lanes: list[_Lane], cell: str, count: int) -> None:
    seeds = iter(range(count))
    await asyncio.gather(*(lane.work(cell, seeds) for lane in lanes[:count]))


class _Lane:
    """Executes cells one after another, each in a fresh child."""

    def __init__(self, server: Any, folder: Path) -> None:
        self.server = server
        self._folder = folder
        self._next = asyncio.ensure_future(self._fork())

    async def work(self, cell: str, seeds: Iterator[int]) -> None:
        """Execute the cell for seeds until there are none left."""
        for seed in seeds:
            process = await self._next
            self._next = asyncio.ensure_future(self._fork())
            end = await process.execute(self._spec(cell, seed), _Deaf())
            await process.child.status()
            process.close()
            if end is None or end["state"] != "done":
                raise RuntimeError(f"A bare child failed: {end}")

    async def close(self) -> None:
        """End the waiting child and let the server go."""
        (await self._next).close()
        self.server.close()

    async def _fork(self) -> Any:
        from lepton_jlab.runs.process import Process

        return await Process.fork(self.server, dict.fromkeys(CAPS, "1"))

    def _spec(self, cell: str, seed: int) -> dict[str, Any]:
        return {
            "id": "bare",
            "code": cell,
            "filename": "bare",
            "folder": str(self._folder),
            "cwd": str(Path.cwd()),
            "sys_path": sys.path,
            "params": {"seed": seed},
        }


class _Deaf:
    """Hears what children say and does nothing with it."""

    def text(self, stream: str, text: str) -> None:
        """Take a piece of output."""

    def message(self, message: dict[str, Any]) -> None:
        """Take a message."""

    def may_read(self) -> bool:
        """Tell that more output is welcome."""
        return True
