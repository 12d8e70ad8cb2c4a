"""Has work of the data room done on a cluster: pieces by Dask tasks, models by runs."""

from __future__ import annotations

import time
import uuid
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lepton_jlab as lepton
from lepton_jlab.errors import RunError, UsageError

OFTEN = 0.2  # s between two lines of progress
AHEAD = 3  # pieces a thread of the cluster that are under way


@dataclass(frozen=True, slots=True)
class Spread:
    """How work is done: `parallel` for pieces of data, `fits` for models; None for here."""

    parallel: Any = None
    fits: Any = None


@contextmanager
def spread(args: Namespace) -> Iterator[Spread]:
    """Give the cluster's way where one runs, unless ``--here`` was said.

    At the end, and on Ctrl-C, nothing of it goes on: what waits is dropped, what is under way is
    waited for, so that nobody writes any more.
    """
    if args.here and args.cluster:
        raise UsageError(f"{args.command}: give either --here or --cluster {args.cluster}.")
    if args.here or not (args.cluster or lepton.clusters()):
        yield Spread()
        return
    cluster = lepton.get_cluster(args.cluster)
    with cluster.client() as client:
        yield Spread(_tasks(client), _runs(cluster.name))


def told(say: Callable[[str], None]) -> Callable[[int, int, str], None]:
    """Make what the data room reports to: a line now and then, with the share that is done."""
    last = 0.0

    def progress(done: int, total: int, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if not total:
            say(text)
        elif done >= total or now - last >= OFTEN:
            last = now
            say(f"{text} {done / total:.0%}")

    return progress


def _tasks(client: Any) -> Callable[[Any, Sequence[Any]], Iterator[Any]]:
    def parallel(function: Any, pieces: Sequence[Any]) -> Iterator[Any]:
        from distributed import wait

        on_way: deque[Any] = deque()
        room = AHEAD * max(1, sum(client.nthreads().values()))
        try:
            for piece in pieces:
                on_way.append(client.submit(function, piece, pure=False))
                if len(on_way) >= room:
                    yield on_way.popleft().result()
            while on_way:
                yield on_way.popleft().result()
        finally:
            if on_way:  # an error or an interrupt: those that run already may be writing
                wait(list(on_way))

    return parallel


def _runs(cluster: str) -> Callable[[Any, Sequence[Any]], Iterator[Any]]:
    def fits(function: Any, pieces: Sequence[Any]) -> Iterator[Any]:
        import cloudpickle

        from lepton_jlab.config import data_folder

        folder = Path(data_folder()) / "work"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / uuid.uuid4().hex
        path.touch(0o600, exist_ok=False)
        path.write_bytes(cloudpickle.dumps([(function, piece) for piece in pieces]))
        code = (
            "from lepton_jlab.commands.spread import work_of\n"
            f"result = work_of({str(path)!r}, piece)\n"
        )
        runs: Any = lepton.submit(
            code,
            name="clean",
            sweep={"piece": range(len(pieces))},
            pull=["result"],
            push="none",
            cluster=cluster,
        )
        try:
            for run in runs:
                run.wait()
                if run.state != "done":
                    error = (run.error or {}).get("message", run.state)
                    raise RunError(
                        f"{run.id}, which trains a model for the labels, failed: {error}. "
                        f"%lepton runs show {run.id} --output"
                    )
                yield run.values["result"]
        finally:
            for run in runs:
                if run.state in ("queued", "running"):
                    run.cancel()
            path.unlink(missing_ok=True)

    return fits


def work_of(path: str, number: int) -> Any:
    """Do one piece of the work that a command wrote down, in a run."""
    import cloudpickle

    function, piece = cloudpickle.loads(Path(path).read_bytes())[number]
    return function(piece)
