"""Sends a dataset through a model, here or on the workers of a cluster, into a new dataset."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.codecs import CODECS, DEFAULT
from lepton_jlab.data.unfinished import JOURNAL, check_destination, unfinished
from lepton_jlab.data.writing import consolidate
from lepton_jlab.errors import DataError, RunError
from lepton_jlab.models import apart
from lepton_jlab.models.apart import Progress
from lepton_jlab.models.feeding import dataset_of
from lepton_jlab.models.offline.plan import answer_shapes, columns_for, fingerprint, make_plan
from lepton_jlab.models.offline.work import DONE, Job, work
from lepton_jlab.models.version import Version

if TYPE_CHECKING:
    from lepton_jlab.cluster import Cluster
    from lepton_jlab.data import Dataset
    from lepton_jlab.runs import Sweep

_RUNS = ".lepton-runs"
_LOOK = 0.25  # s between two looks at what is done
_RETRIES = 2  # of a worker's share, when its worker dies


def predict(
    name: str,
    source: Any,
    dest: str | os.PathLike[str],
    *,
    version: int | None = None,
    cluster: str | None = None,
    here: bool = False,
    batch: int | None = None,
    allow_nan: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Send every sample of a dataset through a model, and write the answers as a dataset.

    The answers are cut like the samples. A prediction that was killed goes on where it stopped when
    the same is asked again; nothing is seen under the name `dest` before all is there.

    Parameters
    ----------
    name : str
        The model.
    source : Dataset or path
        What goes through it: the array ``x``, or arrays by the names of the inputs.
    dest : path
        The dataset to write: an array for each output, shape ``(samples, …)``.
    version : int, optional
        Which; the promoted one when None.
    cluster : str, optional
        Whose workers do it, as runs; by default those of the cluster in use, if any.
    here : bool
        Do it in this process although a cluster runs.
    batch : int, optional
        Samples that the model is asked at a time; chosen by their size when None.
    allow_nan : bool
        Write answers that are NaN or infinite too.
    force : bool
        Replace `dest`.
    progress : callable, optional
        Called with samples that are done, of how many, and what is done now.

    Returns
    -------
    Dataset

    Raises
    ------
    NotFoundError
        If there is no such model, version, dataset or cluster.
    DataError
        If the samples do not fit the model, cannot be read, or give NaN; if `dest` exists.
    RunError
        If workers fail. What is done is kept; the same call goes on.

    Examples
    --------
    >>> lepton.predict("fashion", "test.zarr", "scores.zarr")  # doctest: +SKIP
    """
    say = progress or apart.silent
    chosen = Version.open(name, version)
    dataset = dataset_of(source)
    columns = columns_for(chosen, dataset)
    shapes = answer_shapes(chosen, columns)
    plan = make_plan(chosen, columns, batch)
    destination = Path(dest).expanduser().absolute()
    check_destination(destination, force)
    if destination == Path(dataset.path):
        raise DataError(f"{destination} is the source; choose another name for the answers.")
    workers = None if here else _workers(cluster)
    read = fingerprint(dataset, columns)
    key = {
        "predict": chosen.digest,
        "version": str(chosen),
        "source": dataset.path,
        "fingerprint": read,
        "recipe": str(getattr(dataset, "recipe", "")),
        "plan": plan.to_dict(),
        "allow_nan": allow_nan,
    }
    _end_runs(destination.with_name(f".{destination.name}.partial"))
    with unfinished(destination, force, key, keep=True) as into:
        if not into.resumed:
            _create(into.folder, chosen, dataset, plan.chunk, plan.shard, shapes, read)
            into.begin()
        job = Job(chosen, dataset, plan, into.folder, allow_nan)
        done = job.done()
        left = [start for start in plan.pieces if start not in done]
        say(_samples(job, done), plan.samples, f"{chosen}: {dataset.name}")
        if left and workers is not None:
            _on_workers(job, workers, len(left), say)
        else:
            for start in work(job, left):
                done.add(start)
                say(_samples(job, done), plan.samples, f"{chosen}: {dataset.name}")
        missing = set(plan.pieces) - job.done()
        if missing:
            raise RunError(
                f"{len(missing)} pieces of {destination.name} are missing; go on with it."
            )
        for file in (DONE, _RUNS):
            (into.folder / file).unlink(missing_ok=True)
        consolidate(into.folder)
    return dataset_of(destination)


def _create(
    folder: Path,
    version: Version,
    dataset: Dataset,
    chunk: int,
    shard: int | None,
    shapes: Mapping[str, tuple[int, ...]],
    read: str,
) -> None:
    """Make the arrays of the result, with where it all comes from in the attributes."""
    import zarr

    from lepton_jlab.data.attributes import entry

    made_by = entry(
        "predict",
        model=version.name,
        version=version.number,
        digest=version.digest,
        source=dataset.path,
        fingerprint=read,
        samples=len(dataset),
        split=dataset.split_of,
    )
    said: dict[str, Any] = {"source": dataset.path, "history": [made_by]}
    if version.classes:
        said["classes"] = version.classes
    root = zarr.create_group(str(folder), attributes={"lepton": said})
    samples = len(dataset)
    dtypes = {tensor["name"]: np.dtype(tensor["dtype"]) for tensor in version.outputs}
    for name, rest in shapes.items():
        axes = ("sample", *(f"{name}_{axis}" for axis in range(1, 1 + len(rest))))
        root.create_array(
            name,
            shape=(samples, *rest),
            dtype=dtypes[name],
            chunks=(chunk, *rest),
            shards=None if shard is None else (shard, *rest),
            dimension_names=("sample", "class") if version.classes and len(rest) == 1 else axes,
            **CODECS[DEFAULT].create_options(dtypes[name]),
        )


def _samples(job: Job, done: set[int]) -> int:
    plan = job.plan
    return sum(min(plan.piece, plan.samples - start) for start in done)


# ---- on a cluster


def _workers(name: str | None) -> Cluster | None:
    """Return the cluster whose workers do it, or None where none is named and none runs."""
    from lepton_jlab.cluster import clusters, get_cluster

    return get_cluster(name) if name is not None or clusters() else None


def _on_workers(job: Job, cluster: Cluster, pieces: int, say: Progress) -> None:
    """Have every worker do a share, as a run of its own, and follow what is done."""
    from lepton_jlab.runs import submit

    shares = max(1, min(len(cluster.info()["workers"]), pieces))
    code = (
        "from lepton_jlab.models.offline.work import share\n"
        f"left = share(job, number, {shares})  # of the pieces of {job.folder}\n"
    )
    runs: Any = submit(
        code,
        name=f"predict {job.version}",
        sweep={"number": list(range(shares))},
        namespace={"job": job},
        retries=_RETRIES,
        cluster=cluster.name,
    )
    (job.folder / _RUNS).write_text(json.dumps([run.id for run in runs]))
    text = f"{job.version}: {job.dataset.name}, {shares} workers ({runs.id})"
    try:
        _follow(job, runs, say, text)
    except BaseException:
        _end(runs)
        raise
    failed = [run for run in runs if run.state != "done"]
    if failed:
        told = (failed[0].error or {}).get("message", failed[0].state)
        raise RunError(
            f"{failed[0].id}, one of {len(runs)} runs, {failed[0].state}: {told} What is done is "
            "kept: the same command goes on."
        )


def _follow(job: Job, runs: Sweep, say: Progress, text: str) -> None:
    seen = -1
    while True:
        ended = False
        with contextlib.suppress(TimeoutError):
            runs.wait(_LOOK)
            ended = True
        done = job.done()
        if len(done) != seen:
            seen = len(done)
            say(_samples(job, done), job.plan.samples, text)
        if ended:
            return
        if any(run.state in ("failed", "lost", "cancelled") for run in runs):
            _end(runs)


def _end(runs: Any) -> None:
    """Cancel runs, and return when none of them writes any more."""
    runs.cancel(force=True)
    with contextlib.suppress(TimeoutError):
        runs.wait(10)


def _end_runs(folder: Path) -> None:
    """End the runs that go on for one who was killed: they would write into what is cleared."""
    from lepton_jlab.errors import LeptonError
    from lepton_jlab.runs import run

    with contextlib.suppress(FileNotFoundError, ValueError):
        keys = json.loads((folder / _RUNS).read_text())
        with (folder / JOURNAL).open("rb") as journal, contextlib.suppress(BlockingIOError):
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else who asked is alive
            for key in keys:
                with contextlib.suppress(LeptonError):
                    found: Any = run(key)
                    while found.state in ("queued", "running"):
                        _end(found)
