"""`Sweep`: runs that were submitted together, and which of them is best."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from lepton_jlab.errors import RunError, UsageError, suggestion
from lepton_jlab.runs.metrics import better
from lepton_jlab.runs.rerun import resubmit
from lepton_jlab.runs.run import Run, cancel_all, runs_of, wait_for

if TYPE_CHECKING:
    import pandas as pd

Mode = Literal["min", "max"]


class Sweep(Sequence[Run]):
    """Runs that were submitted together, in order."""

    def __init__(self, number: int, name: str | None, runs: Sequence[Run]) -> None:
        self.id = f"s{number}"
        self.name = name
        self._runs = list(runs)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | list[Run]:
        return self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def best(self, metric: str, mode: Mode | None = None) -> Run:
        """Return the run whose last `metric` is best.

        Parameters
        ----------
        mode : {"min", "max"}, optional
            By default what is usual for a metric of that name: less loss, more of the rest.

        Raises
        ------
        RunError
            When no run has logged it.
        """
        return best_of(self._runs, metric, mode)

    def table(self) -> pd.DataFrame:
        """Return one row a run, indexed by id: state, parameters, metrics, seconds."""
        import pandas as pd

        rows = []
        for run in self._runs:
            record = run.to_dict()
            seconds = (record["ended"] or time.time()) - (record["started"] or time.time())
            row = {"id": run.id, "state": record["state"], **record["params"], **record["metrics"]}
            rows.append({**row, "seconds": round(seconds, 3)})
        return pd.DataFrame(rows).set_index("id")

    def wait(self, timeout: float | None = None) -> Self:
        """Return when all runs have ended; TimeoutError after `timeout` seconds, and they go on."""
        wait_for(self._runs, timeout)
        return self

    def cancel(self, force: bool = False) -> None:
        """Cancel every run that has not ended."""
        cancel_all(self._runs, force)

    def rerun(self, cluster: str | None = None) -> Sweep:
        """Submit all its runs again, as `Run.rerun` does."""
        number = int(self.id.removeprefix("s"))
        params = [run.params for run in self._runs]
        answer = resubmit(self.id, number, params, sweep=True, cluster=cluster)
        return Sweep(answer["submission"], self.name, runs_of(answer["runs"]))

    def to_dict(self) -> dict[str, Any]:
        """Return id, name and the records of the runs."""
        return {"id": self.id, "name": self.name, "runs": [run.to_dict() for run in self._runs]}

    def _repr_html_(self) -> str:
        from lepton_jlab.runs.views.drawing import chosen, sweep_html

        rows = [run.to_dict() for run in self._runs]
        shown = {row["id"] for row in chosen(rows)}
        messages = {run.id: run.messages() for run in self._runs if run.id in shown}
        histories = {run.id: run.history_rows() for run in self._runs if run.id in shown}
        called = f"{self.id} {self.name}" if self.name else self.id
        return sweep_html(rows, messages, histories, name=called)

    def __repr__(self) -> str:
        states = [run.state for run in self._runs]
        counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
        return f"<Sweep {self.id}: {counts}>"


def best_of(runs: Sequence[Run], metric: str, mode: Mode | None = None) -> Run:
    """Return the run of `runs` whose last `metric` is best; see `Sweep.best`."""
    scored = [(run.metrics[metric], run) for run in runs if metric in run.metrics]
    scored = [(value, run) for value, run in scored if value == value]  # NaN is never best
    if not scored:
        known = sorted({name for run in runs for name in run.metrics})
        raise RunError(
            f"No run has logged {metric!r}.{suggestion(metric, known)} "
            f"Logged: {', '.join(known) or 'nothing yet'}."
        )
    if mode not in (None, "min", "max"):
        raise UsageError(f"mode is {mode!r}; it is 'min' or 'max'.")
    choose = min if (mode or better(metric)) == "min" else max
    return choose(scored, key=lambda pair: pair[0])[1]
