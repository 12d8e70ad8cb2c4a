"""The ways to execute cells on two workers: Lepton, bare children and processes, ipyparallel, Ray."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager

from benchmarks.bare import bare_children
from benchmarks.home import CAPS, WORKERS, cluster
from benchmarks.training import training_cell

# Executes a cell so many times, with `seed` from 0 on, two at a time; returns when all have ended,
# and raises when one has failed.
Run = Callable[[str, int], None]

LEPTON = "Lepton"
KEPT = "Lepton with keep"
BARE = "bare fork-server children"
PROCESSES = "a new process each"
IPYPARALLEL = "ipyparallel, not isolated"
RAY = "Ray, not isolated"
RAY_ISOLATED = "Ray, isolated (max_calls=1)"


@contextmanager
def open_ways(names: Sequence[str]) -> Iterator[tuple[dict[str, Run], list[str]]]:
    """Start the ways named and warm them up; a peer that is not installed is noted, not started."""
    notes = []
    ways: dict[str, Run] = {}
    with ExitStack() as stack:
        stack.enter_context(cluster())
        for name in names:
            try:
                ways[name] = stack.enter_context(_OPEN[name]())
            except ImportError as error:
                notes.append(f"Left out: {name} ({error}). `pip install '.[bench]'` brings it.")
        for name, run in ways.items():
            if name not in (PROCESSES, RAY_ISOLATED):  # these are never warm
                run(training_cell(epochs=1, samples=64), 2 * WORKERS)
        yield ways, notes


@contextmanager
def _lepton(keep: str | None = None) -> Iterator[Run]:
    import lepton_jlab as lepton

    def run(cell: str, count: int) -> None:
        sweep = {"seed": range(count)} if count > 1 else None
        done = lepton.submit(cell, sweep=sweep, push="none", keep=keep).wait()
        for one in [done] if isinstance(done, lepton.Run) else done:
            if one.state != "done":
                raise RuntimeError(f"{one!r}: {one.error}")

    yield run


@contextmanager
def _processes() -> Iterator[Run]:
    def one(cell: str, seed: int) -> None:
        subprocess.run([sys.executable, "-c", f"seed = {seed}\n{cell}"], check=True)

    with ThreadPoolExecutor(WORKERS) as pool:
        yield lambda cell, count: list(pool.map(one, [cell] * count, range(count))) and None


@contextmanager
def _ipyparallel() -> Iterator[Run]:
    import ipyparallel

    engines = ipyparallel.Cluster(n=WORKERS, log_level=logging.ERROR)
    client = engines.start_and_connect_sync()
    view = client.load_balanced_view()

    def run(cell: str, count: int) -> None:
        for result in [view.apply_async(_execute, cell, seed) for seed in range(count)]:
            result.get()

    try:
        yield run
    finally:
        client.close()
        engines.stop_cluster_sync()


@contextmanager
def _ray(isolated: bool) -> Iterator[Run]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    mine = not ray.is_initialized()
    if mine:
        ray.init(
            num_cpus=WORKERS,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=100 * 2**20,
            _temp_dir=f"{tempfile.gettempdir()}/ray",
            runtime_env={"env_vars": dict.fromkeys(CAPS, "1")},  # it would set OMP_NUM_THREADS
        )
    task = ray.remote(max_calls=1)(_execute) if isolated else ray.remote(_execute)
    try:
        yield lambda cell, count: ray.get([task.remote(cell, seed) for seed in range(count)])
    finally:
        if mine:
            ray.shutdown()


def _execute(cell: str, seed: int) -> None:
    """Execute a cell in a peer's worker."""
    exec(compile(cell, "cell", "exec"), {"__name__": "__main__", "seed": seed})


_OPEN: dict[str, Callable[[], AbstractContextManager[Run]]] = {
    LEPTON: _lepton,
    KEPT: lambda: _lepton(keep="bench"),
    BARE: bare_children,
    PROCESSES: _processes,
    IPYPARALLEL: _ipyparallel,
    RAY: lambda: _ray(isolated=False),
    RAY_ISOLATED: lambda: _ray(isolated=True),
}
