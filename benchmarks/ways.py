"""The ways to execute cells on two workers: Lepton, the floors below it, ipyparallel and Ray."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

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
_PEERS = (IPYPARALLEL, RAY, RAY_ISOLATED)


@contextmanager
def open_ways(names: Sequence[str]) -> Iterator[tuple[dict[str, Run], list[str]]]:
    """Start the ways named and warm them up; a peer that is not there is left out with a note."""
    notes = []
    ways: dict[str, Run] = {}
    with ExitStack() as stack:
        stack.enter_context(cluster())
        for name in names:
            try:
                ways[name] = stack.enter_context(_OPEN[name]())
            except Exception as error:
                if name not in _PEERS:
                    raise
                notes.append(f"Left out: {name} ({str(error).splitlines()[0]})")
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
        command = [sys.executable, "-c", f"seed = {seed}\n{cell}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"A new process failed: {done.stderr}")

    with ThreadPoolExecutor(WORKERS) as pool:

        def run(cell: str, count: int) -> None:
            for _ in pool.map(one, [cell] * count, range(count)):
                pass  # raises what was raised there

        yield run


@contextmanager
def _ipyparallel() -> Iterator[Run]:
    import ipyparallel  # type: ignore[import-untyped]

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
    ray = _import_ray()
    mine = not ray.is_initialized()
    try:
        if mine:
            ray.init(
                num_cpus=WORKERS,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=100 * 2**20,
                runtime_env={"env_vars": dict.fromkeys(CAPS, "1")},
                _node_ip_address="127.0.0.1",
                _temp_dir=tempfile.mkdtemp(prefix="ray-"),
            )
        task = ray.remote(_execute)
        if isolated:  # in an environment of its own, or it would be given the others' warm workers
            caps = {**dict.fromkeys(CAPS, "1"), "BENCH": "isolated"}
            task = ray.remote(max_calls=1, runtime_env={"env_vars": caps})(_execute)
        yield lambda cell, count: ray.get([task.remote(cell, seed) for seed in range(count)])
    finally:
        if mine:
            ray.shutdown()


def _import_ray() -> Any:
    """Import Ray, with its token in our folder; it reads where that is when it is imported."""
    if "ray" not in sys.modules:
        descriptor, token = tempfile.mkstemp(prefix="ray-token-")
        os.write(descriptor, secrets.token_hex(32).encode())
        os.close(descriptor)
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": token}
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    return ray


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
