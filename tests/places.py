"""A Dask cluster at two places: scheduler and `cloud` here, `edge` behind a slow link."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conditions import wait_until
from links import Link, Side


@contextmanager
def edge_and_cloud(link: Link, folder: Path, each: int = 1) -> Iterator[str]:
    """Run a scheduler and workers of one thread, `each` at a place; give its address.

    They are whoever's: plain TCP, started by Dask's own commands, and say where they are by
    ``LEPTON_PLACE``. Those at the edge have a disk for temporary files of their own.
    """
    file = folder / "scheduler.json"
    started = [
        _dask(link.near, "scheduler", "--scheduler-file", str(file), "--no-dashboard", port="0")
    ]
    try:
        wait_until(file.exists, about="the scheduler's file")
        address: str = wait_until(lambda: _address(file))
        for place, side in (("cloud", link.near), ("edge", link.far)):
            for number in range(each):
                own = folder / f"{place}{number}"
                words = (address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
                more = ("--local-directory", str(own), "--name", f"w-{place}-{number}")
                started.append(_dask(side, "worker", *words, *more, place=place))
        yield address
    finally:
        for process in started:
            process.kill()
            process.wait()


def _dask(side: Side, what: str, *words: str, port: str | None = None, place: str = ""):
    module = f"distributed.cli.dask_{what}"
    more = ["--host", side.address, *(["--port", port] if port else [])]
    environment = {**os.environ, "LEPTON_PLACE": place}
    command = [sys.executable, "-m", module, *words, *more]
    return side.popen(command, own_disk=place == "edge", env=environment, stderr=-3)


def _address(file: Path) -> str | None:
    try:
        return json.loads(file.read_text())["address"]
    except ValueError:  # it is being written
        return None
