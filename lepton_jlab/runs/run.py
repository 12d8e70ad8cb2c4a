"""`Run`: what a person holds of one run, wherever and whenever it was submitted."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lepton_jlab.cluster import connection
from lepton_jlab.cluster.handle import get_cluster
from lepton_jlab.errors import ClusterError, NotFoundError, suggestion
from lepton_jlab.runs import history, records, transcript
from lepton_jlab.runs import values as value_files
from lepton_jlab.runs.history import HistoryReader
from lepton_jlab.runs.literals import restored
from lepton_jlab.runs.records import pruned_at, ranks_of, trial_of
from lepton_jlab.runs.rerun import resubmit
from lepton_jlab.runs.resuming import check_resumable
from lepton_jlab.runs.transcript import Message

if TYPE_CHECKING:
    import pandas as pd

    from lepton_jlab.cluster.handle import Cluster

_PATIENCE = 10.0  # seconds one question to a host may wait for its answer
_ENDING = 0.05  # seconds between two looks at a host that is just ending


class Run:
    """One training cell, executing or executed. Get one by `submit`, `run` or `runs`.

    Its record is read anew at each question, so it is always current, in every process.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = dict(record)
        self._number: int = record["id"]

    @property
    def id(self) -> str:
        """What to call it: ``"r17"``."""
        return f"r{self._number}"

    @property
    def name(self) -> str | None:
        """The ``--name`` it was given."""
        name: str | None = self._record["name"]
        return name

    @property
    def sweep(self) -> str | None:
        """The id of the sweep it belongs to, ``"s3"``."""
        return f"s{self._record['submission']}" if self._record["sweep"] else None

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``done``, ``failed``, ``cancelled`` or ``lost``."""
        state: str = self._current()["state"]
        return state

    @property
    def cluster(self) -> str:
        """The name of the cluster it was submitted to."""
        cluster: str = self._record["cluster"]
        return cluster

    @property
    def worker(self) -> str | None:
        """The worker that runs or ran it."""
        worker: str | None = self._current()["worker"]
        return worker

    @property
    def devices(self) -> list[str]:
        """What it runs or ran on: ``["cpu"]`` or its GPUs."""
        return list(self._current()["devices"])

    @property
    def progress(self) -> dict[str, int] | None:
        """``{"epoch", "epochs", "batch", "batches"}`` of a Keras `fit`."""
        progress: dict[str, int] | None = self._current()["progress"]
        return progress

    @property
    def place(self) -> int | None:
        """Its place in the queue, 1 for the next; None when it is not queued."""
        record = self._current()
        queued = record["state"] == "queued"
        return records.place(self._number, record["host_pid"]) if queued else None

    @property
    def submitted(self) -> float:
        """When it was submitted, in seconds since the epoch."""
        submitted: float = self._record["submitted"]
        return submitted

    @property
    def started(self) -> float | None:
        """When a worker took it, in seconds since the epoch."""
        started: float | None = self._current()["started"]
        return started

    @property
    def ended(self) -> float | None:
        """When it ended, in seconds since the epoch."""
        ended: float | None = self._current()["ended"]
        return ended

    @property
    def params(self) -> dict[str, Any]:
        """The sweep's variables of this run."""
        return restored(self._record["params"], self._record["options"].get("literals"))

    @property
    def pruned(self) -> int | None:
        """The step at which its search ended it early; None for a run that was let be."""
        return pruned_at(self._current())

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return dict(self._current()["metrics"])

    @property
    def error(self) -> dict[str, Any] | None:
        """``{"kind", "message"}`` of a run that failed, with its ``traceback`` if it has one."""
        error: dict[str, Any] | None = self._current()["error"]
        return error

    @property
    def phases(self) -> dict[str, float]:
        """Seconds by phase: ``queued``, ``start``, ``run``, ``gather``."""
        return dict(self._current()["phases"])

    @property
    def cost(self) -> dict[str, Any] | None:
        """What it has cost so far, as `lepton_jlab.cost.pricing.priced` says."""
        cost: dict[str, Any] | None = self._current()["cost"]
        return cost

    @property
    def streams(self) -> list[dict[str, Any]]:
        """How its data came: the newest `StreamReport` of each stream that it read, as a dict."""
        return list(self._current()["streams"])

    @property
    def code(self) -> str:
        """The cell's source."""
        code: str = self._record["code"]
        return code

    @property
    def values(self) -> Mapping[str, Any]:
        """What it was asked to bring back, each loaded when it is looked up."""
        return Values(self)

    @property
    def output(self) -> str:
        """All that it printed and displayed, as text."""
        return transcript.text_of(self.messages())

    @property
    def history(self) -> pd.DataFrame:
        """Its metrics, one row a step, with the time ``t`` in seconds since the epoch."""
        import pandas as pd

        rows = self.history_rows()
        return pd.DataFrame(rows).set_index("step") if rows else pd.DataFrame()

    def history_rows(self) -> list[dict[str, float]]:
        """Return its metrics as one dict a step."""
        return history.by_step(HistoryReader(records.folder(self._number)).new())

    def history_table(self, limit: int | None = 2000) -> dict[str, list[Any]]:
        """Return its metrics as ``{"columns", "rows"}``: about `limit` rows, evenly thinned."""
        return history.table(self.history_rows(), limit)

    def messages(
        self, start: int = 0, tail: int | None = None, limit: int | None = None
    ) -> list[Message]:
        """Return what it said: from message `start` on, or only the last `tail` bytes of it.

        With `limit`, so many messages at most.
        """
        folder = records.folder(self._number)
        if tail is None:
            return transcript.read(folder, start, limit)
        return transcript.read_tail(folder, tail)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as ``--json`` prints it."""
        record = self._current()
        return {
            "id": self.id,
            "name": self.name,
            "sweep": self.sweep,
            "state": record["state"],
            "params": record["params"],
            "metrics": record["metrics"],
            "values": list(record["value_files"]),
            "phases": record["phases"],
            "streams": record["streams"],
            "error": record["error"],
            "cluster": record["cluster"],
            "worker": record["worker"],
            "devices": record["devices"],
            "cost": record["cost"],
            "estimate": record["estimate"],
            "replicas": ranks_of(record),
            "checkpoint": record["checkpoint"],
            "submitted": record["submitted"],
            "started": record["started"],
            "ended": record["ended"],
            "code": record["code"],
            "progress": record["progress"],
            "place": self.place,
            "attempt": record["attempt"],
            "trial": trial_of(record),
            "pruned": pruned_at(record),
            "brought": record["brought"],
            "folder": str(records.folder(self._number)),
            "notebook": record["notebook"],
            "cell": record["cell"],
            "placement": record["placement"],
        }

    def info(self) -> dict[str, Any]:
        """Return the record with more: options, environment, a sparkline, the files it left."""
        record = self._current()
        spark = record["spark"] or {}
        options = ("pull", "retries", "timeout", "stall", "memory", "keep")
        return {
            **self.to_dict(),
            "options": {key: record["options"].get(key) for key in options},
            "environment": record["environment"],
            "spark": spark.get("values", []),
            "spark_metric": spark.get("metric"),
            "artifacts": artifacts(records.folder(self._number)),
        }

    def wait(self, timeout: float | None = None) -> Self:
        """Return when it has ended.

        Raises
        ------
        TimeoutError
            When it has not in `timeout` seconds; it goes on.
        """
        wait_for([self], timeout)
        return self

    def cancel(self, force: bool = False) -> None:
        """Interrupt it; it is killed when it does not end in the grace, or at once with `force`."""
        cancel_all([self], force)

    def rerun(self, cluster: str | None = None) -> Run:
        """Submit it again: the same code, parameters, options and what it brought along.

        Parameters
        ----------
        cluster : str, optional
            Where; by default where it was, or on the cluster in use where that has ended.

        Raises
        ------
        RunError
            When what it brought along is gone.
        """
        number = self._record["submission"]
        answer = resubmit(self.id, number, [self.params], sweep=False, cluster=cluster)
        return runs_of(answer["runs"])[0]

    def resume(self, cluster: str | None = None) -> Run:
        """Go on from its last checkpoint, as a new run that takes over its metrics.

        Parameters
        ----------
        cluster : str, optional
            Where; by default where it was, or on the cluster in use where that has ended.

        Raises
        ------
        RunError
            When it has not ended, succeeded, or left no checkpoint.
        """
        check_resumable(self.id, self.state, records.folder(self._number))
        answer = resubmit(
            self.id,
            self._record["submission"],
            [self.params],
            sweep=False,
            cluster=cluster,
            resume=self.id,
        )
        return runs_of(answer["runs"])[0]

    def host(self) -> Cluster:
        """Return the cluster that runs it.

        Raises
        ------
        ClusterError
            When that has ended.
        """
        return host_of(self.id, self._record)

    def _current(self) -> dict[str, Any]:
        if self._record["state"] in records.ACTIVE:
            self._record = records.rows("r.id = ?", [self._number])[0]
        return self._record

    def _repr_html_(self) -> str:
        from lepton_jlab.runs.views.drawing import run_html

        return run_html(self.to_dict(), self.messages(), self.history_rows())

    def __repr__(self) -> str:
        about = "".join(f" {name}={value!r}" for name, value in self.params.items())
        metrics = "".join(f" {name}={value:.4g}" for name, value in self.metrics.items())
        return f"<Run {self.id}{about}: {self.state}{metrics}>"


def artifacts(folder: Path) -> list[dict[str, Any]]:
    """Return name and size in bytes of the files that a run left: values, logs, TensorBoard's."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [{"name": str(p.relative_to(folder)), "bytes": p.stat().st_size} for p in found]


class Values(Mapping[str, Any]):
    """The values of a run by name, each loaded from its file when it is looked up."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __getitem__(self, name: str) -> Any:
        record = self._run._current()
        files = record["value_files"]
        if name not in files:
            raise NotFoundError(
                f"{self._run.id} ({record['state']}) has no value {name!r}."
                f"{suggestion(name, files)} It has: {', '.join(files) or 'none'}. "
                f"Ask for it when you submit: --pull {name}"
            )
        return value_files.load(records.folder(self._run._number) / "values" / files[name])

    def __contains__(self, name: object) -> bool:
        return name in self._run._current()["value_files"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._run._current()["value_files"])

    def __len__(self) -> int:
        return len(self._run._current()["value_files"])

    def __repr__(self) -> str:
        return f"<values of {self._run.id}: {', '.join(self) or 'none'}>"


def runs_of(numbers: Sequence[int]) -> list[Run]:
    """Return the runs of these numbers, in order."""
    if not numbers:
        return []
    low, high = min(numbers), max(numbers)
    wanted = set(numbers)
    return [
        Run(row) for row in records.rows("r.id BETWEEN ? AND ?", [low, high]) if row["id"] in wanted
    ]


def host_of(key: str, record: Mapping[str, Any]) -> Cluster:
    """Return the cluster of a run or submission, called `key`; ClusterError when it has ended."""
    info = connection.read(record["cluster"])
    if info is None or info["pid"] != record["host_pid"]:
        raise ClusterError(f"The cluster {record['cluster']!r} of {key} has ended.")
    return get_cluster(record["cluster"])


def active_by_host(runs: Sequence[Run]) -> list[list[Run]]:
    """Return those of `runs` that had not ended when last looked at, grouped by their host."""
    groups: dict[int, list[Run]] = {}
    for run in runs:
        if run._record["state"] in records.ACTIVE:
            groups.setdefault(run._record["host_pid"], []).append(run)
    return list(groups.values())


def refresh(runs: Sequence[Run]) -> None:
    """Read the records of `runs` anew, in one query."""
    current = {run._number: run for run in runs_of([run._number for run in runs])}
    for run in runs:
        run._record = current[run._number]._record


def wait_for(waited: Sequence[Run], timeout: float | None) -> None:
    """Return when all of `waited` have ended; TimeoutError after `timeout` s, and they go on."""
    end = math.inf if timeout is None else time.monotonic() + timeout
    while groups := active_by_host(waited):
        group = groups[0]
        patience = min(_PATIENCE, end - time.monotonic())
        if patience <= 0:
            left = [run.id for group in groups for run in group]
            raise TimeoutError(f"Not ended in {timeout:g} s: {', '.join(left[:5])}. They go on.")
        try:
            ids = [run.id for run in group]
            group[0].host().channel.call("ended", runs=ids, patience=patience)
        except ClusterError:
            time.sleep(_ENDING)
        refresh(group)


def cancel_all(cancelled: Sequence[Run], force: bool) -> None:
    """Cancel those of `cancelled` that have not ended."""
    for group in active_by_host(cancelled):
        group[0].host().channel.call("cancel", runs=[run.id for run in group], force=force)
