"""What encryption costs: a bare LocalCluster over TLS against one over TCP."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.home import WORKERS
from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import interleave, median_seconds, ratio, seconds

_TASK = "one Dask task, submit to result"
_MANY = "many Dask tasks"
_DATA = "32 MiB from a worker"


def measure(rounds: int, quick: bool) -> Result:
    """Time single tasks, many tasks and a large result, both ways in turn."""
    from distributed import Client, LocalCluster, Security

    singles, many = (5, 50) if quick else (30, 500)
    with ExitStack() as stack:
        ways = {}
        for protocol in ("tls", "tcp"):
            security = Security.temporary() if protocol == "tls" else None
            cluster = LocalCluster(
                n_workers=WORKERS,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                host="127.0.0.1",
                protocol=f"{protocol}://",
                security=security,
            )
            client = stack.enter_context(Client(stack.enter_context(cluster)))
            _many(client, 50)
            _large(client)
            ways[f"{_TASK}, {protocol}"] = partial(median_seconds, partial(_one, client), singles)
            ways[f"{_MANY}, {protocol}"] = partial(seconds, partial(_many, client, many))
            ways[f"{_DATA}, {protocol}"] = partial(seconds, partial(_large, client))
        samples = interleave(ways, rounds)
    figures = [
        Figure(f"TLS against TCP: {what}", ratio(samples, f"{what}, tls", f"{what}, tcp"), TIMES)
        for what in (_TASK, _MANY, _DATA)
    ]
    return Result(figures, samples)


def _one(client: Any) -> None:
    client.submit(abs, -1, pure=False).result()


def _many(client: Any, count: int) -> None:
    client.gather(client.map(abs, range(count), pure=False))


def _large(client: Any) -> None:
    client.submit(bytes, 32 * 2**20, pure=False).result()
