"""Dask clusters at two ends of a slow link: `edge` and `cloud`, or all over TLS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conditions import wait_until
from links import Link, Side

_SCHEDULER = """
import asyncio, sys
from distributed import Scheduler, Security

async def main(host, folder):
    names = ("tls_ca_file", "tls_scheduler_cert", "tls_scheduler_key")
    security = Security(require_encryption=True, **{n: f"{folder}/{n}.pem" for n in names})
    async with Scheduler(
        host=host, protocol="tls://", security=security, dashboard=False
    ) as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()

asyncio.run(main(*sys.argv[1:]))
"""


@dataclass(frozen=True)
class Secured:
    """A scheduler's address, the keys that `start_cluster` takes, and nannies' pids by worker."""

    address: str
    keys: dict[str, str]
    nannies: dict[str, int]


@contextmanager
def over_tls(
    link: Link, folder: Path, workers: Mapping[str, Side], own_disk: bool = False
) -> Iterator[Secured]:
    """Run a scheduler on the near side and a worker with a nanny on each of some sides, by name.

    With `own_disk` those on the far side have one for temporary files, so that no socket file joins
    them to the near side; then `folder`, which both sides see, is not among temporary files.
    """
    from distributed import Security

    made = Security.temporary()
    for role in ("scheduler", "worker", "client"):
        for part in ("cert", "key"):
            name = f"tls_{role}_{part}"
            (folder / f"{name}.pem").write_text(getattr(made, name))
    (folder / "tls_ca_file.pem").write_text(made.tls_ca_file)
    scheduler = subprocess.Popen(
        [sys.executable, "-c", _SCHEDULER, link.near.address, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert scheduler.stdout is not None
    address = scheduler.stdout.readline().strip()
    keys = {"tls_ca": "tls_ca_file", "tls_cert": "tls_client_cert", "tls_key": "tls_client_key"}
    nannies = [
        side.popen(
            [
                *(sys.executable, "-m", "distributed.cli.dask_worker", address, "--nanny"),
                *("--nworkers", "1", "--nthreads", "1", "--name", name, "--no-dashboard"),
                *("--host", side.address, "--local-directory", str(folder / name)),
                *("--tls-ca-file", str(folder / "tls_ca_file.pem")),
                *("--tls-cert", str(folder / "tls_worker_cert.pem")),
                *("--tls-key", str(folder / "tls_worker_key.pem")),
            ],
            own_disk=own_disk and side is link.far,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, side in workers.items()
    ]
    try:
        yield Secured(
            address,
            {option: str(folder / f"{name}.pem") for option, name in keys.items()},
            {name: nanny.pid for name, nanny in zip(workers, nannies, strict=True)},
        )
    finally:
        scheduler.kill()  # the link ends the workers
        scheduler.wait()


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
