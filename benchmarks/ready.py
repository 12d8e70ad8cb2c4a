"""From asking for a cluster of two workers to having it: Lepton, and a bare LocalCluster."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.home import WORKERS, await_end, submit
from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import interleave, median_of, ratio

_LEPTON = "cluster of 2 workers ready: Lepton"
_BARE = "cluster of 2 workers ready: bare host with LocalCluster"
_FIRST = "its first run done, the fork server still cold"

# As Lepton starts it: over TLS, without a dashboard.
_HOST = f"""
import asyncio, sys
from distributed import LocalCluster, Security

async def host():
    cluster = LocalCluster(
        n_workers={WORKERS}, threads_per_worker=1, asynchronous=True, protocol="tls://",
        security=Security.temporary(), host="127.0.0.1", dashboard_address=None)
    async with cluster:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)

if __name__ == "__main__":
    asyncio.run(host())
"""


def measure(rounds: int, quick: bool) -> Result:  # noqa: ARG001 (one protocol)
    """Start and stop both in turn; nothing of the one is left when the other starts."""
    firsts: list[float] = []
    ways = {_LEPTON: lambda: _lepton(firsts), _BARE: _bare}
    samples = interleave(ways, rounds) | {_FIRST: firsts}
    return Result(
        [
            Figure(_LEPTON, median_of(samples, _LEPTON), "s"),
            Figure(f"{_LEPTON}, against a bare host", ratio(samples, _LEPTON, _BARE), TIMES, 1.5),
            Figure(f"{_LEPTON}, {_FIRST}", median_of(samples, _FIRST), "s"),
        ],
        samples,
    )


def _lepton(firsts: list[float]) -> float:
    import lepton_jlab as lepton

    start = time.monotonic()
    cluster = lepton.start_cluster("ready", engine="local", workers=WORKERS, threads=1)
    taken = time.monotonic() - start
    submit("x = 1").wait(120)
    firsts.append(time.monotonic() - start)
    cluster.stop(force=True)
    await_end("lepton_jlab")
    return taken


def _bare() -> float:
    start = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", _HOST],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it says good-bye in many words
        text=True,
    ) as host:
        assert host.stdout is not None
        if host.stdout.readline() != "ready\n":
            raise RuntimeError("The bare host did not start.")
        return time.monotonic() - start
