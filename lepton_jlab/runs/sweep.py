"""`Sweep`: runs that were submitted together, and which of them is best."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from lepton_jlab.cluster.connection import process_lives
from lepton_jlab.errors import ClusterError, RunError, UsageError, suggestion
from lepton_jlab.runs import records
from lepton_jlab.runs.metrics import better, leading
from lepton_jlab.runs.rerun import resubmit, resume_search
from lepton_jlab.runs.run import Run, cancel_all, host_of, runs_of, wait_for

if TYPE_CHECKING:
    import pandas as pd

    from lepton_jlab.cluster.handle import Cluster

Mode = Literal["min", "max"]

_PATIENCE = 10.0  # seconds one question to a host may wait for its answer
_ENDING = 0.05  # seconds between two looks at a host that is just ending


class Sweep(Sequence[Run]):
    """Runs that were submitted together, in order; those of a search so far, for it grows.

    Get one by `submit` or `run`.
    """

    def __init__(self, number: int, name: str | None, runs: Sequence[Run]) -> None:
        self.id = f"s{number}"
        self.name = name
        self._number = number
        self._runs = list(runs)
        self._submission: Mapping[str, Any] | None = None  # once nothing of it changes any more
        self._complete = False

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | list[Run]:
        return self._grown()[index]

    def __len__(self) -> int:
        return len(self._grown())

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._grown()))

    @property
    def search(self) -> dict[str, Any] | None:
        """How it is searched and how far that is; None for a plain grid.

        ``trials`` (in all), ``asked`` (chosen so far), ``space``, ``search``, ``prune``,
        ``metric``, ``mode``, ``seed``, ``repeat``, ``error``, and ``state``: ``running``, ``done``,
        ``cancelled``, ``failed``, or ``lost`` with its host.
        """
        found = self._current()
        asked = found["options"].get("search")
        if asked is None:
            return None
        lost = asked["state"] == "running" and not process_lives(
            found["host_pid"], found["host_created"]
        )
        return {
            **asked,
            "asked": records.trials_of(self._number),
            "state": "lost" if lost else asked["state"],
        }

    @property
    def trials(self) -> int | None:
        """How many points a search chooses in all; None for a plain grid."""
        search = self._current()["options"].get("search")
        return None if search is None else int(search["trials"])

    @property
    def searching(self) -> bool:
        """Whether more runs may come, or the last ones have not ended."""
        search = self.search
        return search is not None and search["state"] == "running"

    def search_failure(self) -> RunError | None:
        """Return the error that says why a search has come to nothing; None if it has not.

        A trial that has failed is none: that some values do not work is what a search finds out.
        """
        search = self.search
        if search is None or search["state"] == "running":
            return None
        if search["state"] == "lost":
            about = f"its cluster {self._current()['cluster']!r} has ended"
            return RunError(f"{self.id}: {about}. Go on: %lepton runs resume {self.id}")
        if search["state"] == "cancelled":
            return RunError(f"{self.id} was cancelled. Go on: %lepton runs resume {self.id}")
        if search["state"] == "failed":
            return RunError(str(search["error"]))
        if not any(run.state == "done" for run in self):
            return RunError(f"None of the {len(self)} runs of {self.id} came to its end.")
        return None

    def best(self, metric: str | None = None, mode: Mode | None = None) -> Run:
        """Return the run whose last `metric` is best.

        Parameters
        ----------
        metric : str, optional
            By default what is searched by; of a plain grid the loss, on validation data if any.
        mode : {"min", "max"}, optional
            By default what is usual for a metric of that name: less loss, more of the rest.

        Raises
        ------
        RunError
            When no run has logged it.
        """
        if metric is None:
            search = self._current()["options"].get("search") or {}
            metric, mode = search.get("metric"), mode or search.get("mode")
        return best_of(self, metric, mode)

    def table(self) -> pd.DataFrame:
        """Return one row a run, by id: state, parameters, metrics, early end, seconds."""
        import pandas as pd

        rows = []
        for run in self:
            record = run.to_dict()
            seconds = (record["ended"] or time.time()) - (record["started"] or time.time())
            row = {"id": run.id, "state": record["state"], **record["params"], **record["metrics"]}
            pruned = {"pruned": record["pruned"]} if record["trial"] is not None else {}
            rows.append({**row, **pruned, "seconds": round(seconds, 3)})
        table = pd.DataFrame(rows).set_index("id")
        return table.astype({"pruned": "Int64"}) if "pruned" in table else table

    def wait(self, timeout: float | None = None) -> Self:
        """Return when all runs have ended; TimeoutError after `timeout` seconds, and they go on."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        while self.searching:
            patience = min(_PATIENCE, end - time.monotonic())
            if patience <= 0:
                raise TimeoutError(f"{self.id} has not ended in {timeout:g} s. It goes on.")
            try:
                self.host().channel.call("ended", runs=[self.id], patience=patience)
            except ClusterError:
                time.sleep(_ENDING)
        wait_for(list(self), None if timeout is None else end - time.monotonic())
        return self

    def host(self) -> Cluster:
        """Return the cluster that runs it; ClusterError when that has ended."""
        return host_of(self.id, self._current())

    def cancel(self, force: bool = False) -> None:
        """Cancel every run that has not ended (`force` as in `Run.cancel`); a search ends."""
        if self.searching:
            self.host().channel.call("cancel", runs=[self.id], force=force)
        else:
            cancel_all(list(self), force)

    def rerun(self, cluster: str | None = None) -> Sweep:
        """Submit all its runs again, on `cluster`, as `Run.rerun` does; a search begins anew."""
        params = [run.params for run in self]
        answer = resubmit(self.id, self._number, params, sweep=True, cluster=cluster)
        return Sweep(answer["submission"], self.name, runs_of(answer["runs"]))

    def resume(self, trials: int | None = None, cluster: str | None = None) -> Self:
        """Have a search go on that was cancelled or has lost its host, with what it has learned.

        Parameters
        ----------
        trials : int, optional
            How many it is to have in all; by default as many as before.
        cluster : str, optional
            Where; by default where it was, or on the cluster in use where that has ended.

        Raises
        ------
        RunError
            It goes on, it is no search, or what it brought along is gone.
        UsageError
            It has had all its trials.
        """
        if self.search is None:
            raise RunError(
                f"{self.id} is a plain grid, which has learned nothing to go on with. "
                f"Run it again: %lepton runs rerun {self.id}"
            )
        if self.searching:
            raise RunError(f"{self.id} goes on. Wait for it: %lepton runs wait {self.id}")
        resume_search(self._number, trials, cluster)
        self._submission, self._complete = None, False
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return id, name, `search` and the records of the runs."""
        runs = [run.to_dict() for run in self]
        return {"id": self.id, "name": self.name, "search": self.search, "runs": runs}

    def _repr_html_(self) -> str:
        from lepton_jlab.runs.views.drawing import chosen, sweep_html

        runs = list(self)
        rows = [run.to_dict() for run in runs]
        shown = {row["id"] for row in chosen(rows)}
        messages = {run.id: run.messages() for run in runs if run.id in shown}
        histories = {run.id: run.history_rows() for run in runs if run.id in shown}
        called = f"{self.id} {self.name}" if self.name else self.id
        return sweep_html(rows, messages, histories, name=called, search=self.search)

    def __repr__(self) -> str:
        states = ["pruned" if run.pruned is not None else run.state for run in self]
        counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
        search = self.search
        of = f"{search['asked']} of {search['trials']} trials, " if search else ""
        return f"<Sweep {self.id}: {of}{counts}>"

    def _current(self) -> Mapping[str, Any]:
        """Return the record of the submission, read anew as long as it is searched."""
        if self._submission is not None:
            return self._submission
        found = records.submission(self._number)
        assert found is not None
        search = found["options"].get("search")
        if search is None or search["state"] == "done":
            self._submission = found
        return found

    def _grown(self) -> list[Run]:
        """Return the runs, those that a search has chosen meanwhile among them."""
        if not self._complete:
            self._current()  # first: a search has recorded all its runs when it says that it ended
            last = self._runs[-1]._number if self._runs else 0
            where = "r.submission = ? AND r.id > ?"
            self._runs += [Run(row) for row in records.rows(where, [self._number, last])]
            self._complete = self._submission is not None
        return self._runs


def best_of(runs: Iterable[Run], metric: str | None, mode: Mode | None = None) -> Run:
    """Return the run of `runs` whose last `metric` is best; see `Sweep.best`."""
    runs = list(runs)
    metric = metric or leading(name for run in runs for name in run.metrics)
    if metric is None:
        raise RunError(f"No run has logged a metric yet.{_failures(runs)}")
    scored = [(run.metrics[metric], run) for run in runs if metric in run.metrics]
    scored = [(value, run) for value, run in scored if value == value]  # NaN is never best
    if not scored:
        known = sorted({name for run in runs for name in run.metrics})
        raise RunError(
            f"No run has logged {metric!r}.{suggestion(metric, known)} "
            f"Logged: {', '.join(known) or 'nothing yet'}.{_failures(runs)}"
        )
    if mode not in (None, "min", "max"):
        raise UsageError(f"mode is {mode!r}; it is 'min' or 'max'.")
    choose = min if (mode or better(metric)) == "min" else max
    return choose(scored, key=lambda pair: pair[0])[1]


def _failures(runs: list[Run]) -> str:
    """Return a sentence about the first of `runs` that failed, if any did."""
    failed = [run for run in runs if run.state == "failed"]
    if not failed:
        return ""
    reason = (failed[0].error or {}).get("message", "")
    return f" {len(failed)} of {len(runs)} failed; {failed[0].id}: {reason}"
