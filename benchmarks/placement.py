"""Edge and cloud, 10 Mbit/s and 40 ms apart: Dask tasks with links measured and without; runs."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import interleave, ratio, say

_SIZE = 4_000_000  # bytes of a task's data
_TASKS = 24
_KINDS = {"short": 0.05, "long": 2.0}  # seconds of a task
_BYTES = (200_000, 1_000_000, 3_000_000)  # what runs bring, which nothing makes smaller
_OFF = 0.25  # share by which a prediction may be off
_ROUNDS = count()


def measure(rounds: int, quick: bool) -> Result:
    """Run the tasks on stock Dask and on a cluster adopted by Lepton in turn; then predict runs."""
    tests = Path(__file__).parents[1] / "tests"
    sys.path[:0] = [str(tests)]
    from links import CannotEmulateError, emulated_link

    kinds = {"short": _KINDS["short"]} if quick else _KINDS
    try:
        with emulated_link(0.040, 10, near_is_here=True) as link, _clusters(link) as (stock, ours):
            ways = {
                f"{kind}, {name}": partial(_tasks, client, seconds)
                for kind, seconds in kinds.items()
                for name, client in (("stock Dask", stock), ("Lepton", ours))
            }
            samples = interleave(ways, rounds)
            close, of = _predictions(1 if quick else rounds)
    except CannotEmulateError as error:
        return Result([], {}, [f"Not measured: {error}."])
    targets: dict[str, dict[str, float]] = {"short": {"at_least": 2.5}, "long": {"at_least": 1.0}}
    figures = [
        Figure(
            f"{_TASKS} tasks of {kinds[kind]:g} s on 4 MB at the edge, against stock Dask",
            ratio(samples, f"{kind}, stock Dask", f"{kind}, Lepton"),
            TIMES,
            **targets[kind],
        )
        for kind in kinds
    ]
    share = 100 * close / of
    figures.append(Figure("predictions of runs within 25 %", share, "%", at_least=90))
    return Result(figures, samples, [f"{close} of {of} predictions were within 25 %."])


@contextmanager
def _clusters(link: Any) -> Iterator[tuple[Any, Any]]:
    """Two clusters of the same kind, one of them adopted; give a client of each."""
    from distributed import Client
    from places import edge_and_cloud

    import lepton_jlab as lepton

    with ExitStack() as stack:
        clients = []
        for _ in range(2):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            address = stack.enter_context(edge_and_cloud(link, folder))
            clients.append(stack.enter_context(Client(address)))
            clients[-1].wait_for_workers(2, timeout=120)
        cluster = lepton.start_cluster("places", engine=address)
        stack.callback(cluster.stop, force=True)
        say("  measuring the links")
        while cluster.channel.call("links")["steering"] != "on":
            time.sleep(0.2)
        yield clients[0], clients[1]


def _tasks(client: Any, seconds: float) -> float:
    """Make the data at the edge, and return how long the tasks on them take."""
    from distributed import wait

    known = client.scheduler_info(n_workers=-1)["workers"]
    edge = next(address for address, w in known.items() if "edge" in str(w["name"]))
    data = client.map(_make, range(_TASKS), workers=[edge], pure=False)
    wait(data)
    begin = time.perf_counter()
    # Of a kind of their own: what Dask knows of the last round's would be a help to both.
    name = f"work{next(_ROUNDS)}"
    wait(client.map(partial(_work, seconds=seconds), data, pure=False, key=name))
    return time.perf_counter() - begin


def _make(seed: int) -> Any:
    import numpy as np

    return np.random.default_rng(seed).integers(0, 256, _SIZE, dtype="u1")


def _work(data: Any, seconds: float) -> int:
    time.sleep(seconds)
    return int(data[:10].sum())


def _predictions(rounds: int) -> tuple[int, int]:
    """Let runs bring data over the link and compute; return how many were well predicted."""
    import numpy as np

    import lepton_jlab as lepton

    code = "import time; time.sleep(seconds); total = int(data.sum())"
    found = []
    for number in range(rounds + 1):  # the first one is what the others are predicted by
        for size in _BYTES:
            for place in ("edge", "cloud", "auto"):
                data = np.random.default_rng().integers(0, 256, size, dtype="u1")
                names = {"data": data, "seconds": 0.5}
                run = lepton.submit(code, namespace=names, place=place, cluster="places").wait(120)
                if number:
                    found.append(run)
        waiting = lepton.submit("import time; time.sleep(0.5)", repeat=8, cluster="places")
        found += list(waiting.wait(120)) if number else []
    told = [run.to_dict()["placement"] for run in found]
    off = [abs(one["predicted"] / one["actual"]["total"] - 1) for one in told]
    return sum(share <= _OFF for share in off), len(off)
