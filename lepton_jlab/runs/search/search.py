"""One search, driven by the host: a trial for each slot that is free, an early end for bad ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar

from lepton_jlab.errors import UsageError, suggestion
from lepton_jlab.runs import records
from lepton_jlab.runs.budgets import Budget
from lepton_jlab.runs.changes import Changes
from lepton_jlab.runs.gangs import size
from lepton_jlab.runs.journal import Entry, new_entries
from lepton_jlab.runs.metrics import better, is_score, leading
from lepton_jlab.runs.placing import Work
from lepton_jlab.runs.search.asked import Asked
from lepton_jlab.runs.search.study import Study
from lepton_jlab.runs.search.trial import Report, Trial

T = TypeVar("T")
log = logging.getLogger("lepton.search")

_DUE = 32  # reports of a trial that wait to be written; of more, every other one is left out


class Runs(Protocol):
    """What a search needs of the service that executes runs."""

    changes: Changes

    def enqueue(self, entries: list[Entry]) -> None:
        """Queue runs that have been recorded."""

    async def cancel(self, runs: list[str], force: bool = False) -> None:
        """End runs."""


class Search:
    """Asks for trials, hands their runs to the queue, and tells Optuna what became of them.

    All of Optuna happens in one thread, in order; the host's loop never waits for the disk.

    Parameters
    ----------
    number
        The submission's.
    options
        The submission's options; ``search`` in them is kept up to date in the record.
    spec
        What a child needs, the same for all.
    work
        What decides where the runs go.
    runs
        Where runs are queued and ended.
    over
        Called when the search has come to its end.
    """

    def __init__(
        self,
        number: int,
        options: Mapping[str, Any],
        spec: Mapping[str, Any],
        work: Work,
        runs: Runs,
        over: Callable[[Search], None],
    ) -> None:
        self.id = f"s{number}"
        self.asked: Asked = dict(options["search"])  # type: ignore[assignment]
        self._number = number
        self._options = dict(options)
        self._spec = dict(spec)
        self._work = work
        self._budget = Budget(options)
        self._runs = runs
        self._over = over
        self._study: Study
        self._left = 0
        self._most = 1
        self._trials: dict[int, Trial] = {}
        self._due: dict[Trial, list[Report]] = {}
        self._telling = 0
        self._asking: asyncio.Task[None] | None = None
        self._reporting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(1, f"lepton-{self.id}")

    async def open(self) -> None:
        """Read what is known, of an earlier host too; UsageError when no trial is left."""
        self._study = await self._do(lambda: Study(self._number, self.asked))
        rows = records.rows("r.submission = ?", [self._number])
        for number in await self._do(self._study.unfinished):
            await self._do(partial(self._settle, number, rows))
        self._left = await self._do(self._study.left)
        if not self._left:
            had = self.asked["trials"]
            raise UsageError(
                f"{self.id} has had all its {had} trials. Give it more: "
                f"%lepton runs resume {self.id} --trials {2 * had}"
            )

    async def begin(self) -> list[int]:
        """Ask for the first trial and return its runs' numbers; `want` goes on from there."""
        self._write()
        self._asking = asyncio.current_task()
        trial = await self._next()
        self._asking = None
        self._more()
        return [entry.number for entry in trial.live] if trial else []

    def want(self, slots: int) -> None:
        """Ask for trials while its runs, waiting or running, take fewer than so many slots."""
        self._most = max(slots // size(self._spec), 1)
        if self._budget.why and self.asked["state"] == "running":
            self._spawn(self._fail(self._budget.why["message"]))
        else:
            self._more()

    def heard(self, entry: Entry, event: dict[str, Any]) -> dict[str, Any]:
        """Take what a run of this search has reported; return what is kept of it."""
        trial = entry.trial
        if event["type"] == "progress":
            trial.progress(event)
            if self.asked["steps"] is None and event["epochs"]:
                self.asked["steps"] = event["epochs"]
                self._write()
        elif (
            event["type"] == "metrics"
            and trial.pruned is None
            and self._metric(event["values"]) in event["values"]
        ):
            value = event["values"][self.asked["metric"]]
            report = trial.heard(entry, event["step"], value)
            if report is not None and self.asked["prune"] != "none":
                due = self._due.setdefault(trial, [])
                due.append(report)
                if len(due) > _DUE:
                    del due[:-1:2]
                if self._reporting is None or self._reporting.done():
                    self._reporting = self._spawn(self._report())
        elif (
            event["type"] == "error"
            and trial.pruned is not None
            and event["name"] == "KeyboardInterrupt"
        ):  # where it was just then tells nobody anything
            text = f"Pruned at step {int(trial.pruned)} by {self.asked['prune']}.\n"
            return {"type": "text", "stream": "stderr", "text": text, "run": event["run"]}
        return event

    def ended(self, entry: Entry) -> None:
        """Take the end of a run of this search."""
        trial: Trial = entry.trial
        done = entry.state == "done"
        value = entry.metrics.get(self.asked["metric"] or "") if done else None
        trial.ended(entry, value)
        if trial.pruned is not None and trial.went_on(entry):
            self._mark([entry], trial.about)
        if done and value is None and self.asked["state"] == "running":
            self._spawn(self._fail(self._no_metric(entry)))
        if trial.live:
            return
        del self._trials[trial.number]
        reports = self._due.pop(trial, None)
        if self.asked["state"] == "running" and trial.pruned is None:
            self._telling += 1
            self._spawn(self._tell(trial, reports))
        self._look()

    def stop(self, state: str, error: str | None = None) -> list[str]:
        """Ask for no more trials; return the runs that have not ended.

        What these would have come to is not told: a search that is resumed tries them again.
        """
        self.asked["state"], self.asked["error"] = state, error
        self._write()
        self._look()
        return [entry.spec["id"] for trial in self._trials.values() for entry in trial.live]

    def close(self) -> None:
        """Let go of its thread and tasks."""
        for task in self._tasks:
            task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _more(self) -> None:
        if self._hungry() and (self._asking is None or self._asking.done()):
            self._asking = self._spawn(self._ask())

    def _hungry(self) -> bool:
        going_on = sum(len(t.live) for t in self._trials.values() if t.pruned is None)
        return self.asked["state"] == "running" and self._left > 0 and going_on < self._most

    async def _ask(self) -> None:
        while self._hungry():
            await self._next()
        self._asking = None
        self._look()

    async def _next(self) -> Trial | None:
        about, values, self._left = await self._do(self._choose)
        if self.asked["state"] != "running":
            return None
        repeated = [values] * self.asked["repeat"]
        ids = records.extend(self._number, repeated, about)
        entries = new_entries(ids, repeated, self._spec, self._budget, self._work)
        trial = self._trials[about["number"]] = Trial(about, list(entries))
        for entry in entries:
            entry.search, entry.trial = self, trial
        self._runs.enqueue(entries)
        self._runs.changes.note([self.id])
        return trial

    def _choose(self) -> tuple[dict[str, Any], dict[str, Any], int]:
        return *self._study.ask(), self._study.left()

    async def _report(self) -> None:
        while self._due:
            trial = next(iter(self._due))
            reports = self._due.pop(trial)
            bad = await self._do(partial(self._study.report, trial.number, reports))
            if bad and trial.may_be_pruned() and self.asked["state"] == "running":
                await self._prune(trial, bad.step)

    async def _prune(self, trial: Trial, step: float) -> None:
        """End a trial early; the next one is asked for while its runs end."""
        trial.pruned = step
        self._due.pop(trial, None)  # it is not Optuna's any more
        self._telling += 1
        self._mark(trial.live, {**trial.about, "pruned": step})
        await self._runs.cancel([entry.spec["id"] for entry in trial.live])
        await self._do(partial(self._study.end, trial.number, None, pruned=True))
        self._told()

    async def _tell(self, trial: Trial, reports: list[Report] | None) -> None:
        def tell() -> None:
            if reports:
                self._study.report(trial.number, reports)
            self._study.end(trial.number, trial.value())

        await self._do(tell)
        self._told()

    def _told(self) -> None:
        self._telling -= 1
        self._more()
        self._look()

    def _settle(self, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Tell the end of a trial whose host died before it could; or have it tried again."""
        mine = [row for row in rows if (row["trial"] or {}).get("number") == number]
        values = [row["metrics"].get(self.asked["metric"]) for row in mine]
        if any("pruned" in row["trial"] for row in mine):
            self._study.end(number, None, pruned=True)
        elif mine and all(row["state"] == "done" for row in mine) and None not in values:
            self._study.end(number, sum(values) / len(values))
        else:
            self._study.again(number)

    def _metric(self, values: Mapping[str, float]) -> str | None:
        """Return what is searched by; without a --metric that is settled by the first report."""
        if self.asked["metric"] is None:
            chosen = leading(name for name in values if is_score(name))
            if chosen is not None:
                self.asked["metric"] = chosen
                self.asked["mode"] = self.asked["mode"] or better(chosen)
                self._write()
        return self.asked["metric"]

    def _no_metric(self, entry: Entry) -> str:
        wanted, logged = self.asked["metric"], [name for name in entry.metrics if is_score(name)]
        if wanted is None:
            return (
                f"{entry.spec['id']} has logged no metric to search by. Log one: "
                "lepton.log(loss=…), or train with Keras' fit."
            )
        return (
            f"{entry.spec['id']} has not logged {wanted!r}, which is searched by."
            f"{suggestion(wanted, logged)} It logged: {', '.join(logged) or 'nothing'}."
        )

    async def _fail(self, error: str) -> None:
        if self.asked["state"] == "running":
            await self._runs.cancel(self.stop("failed", error))

    def _look(self) -> None:
        """See whether it is over."""
        asking = self._asking is not None and not self._asking.done()
        if self._trials:
            return
        if self.asked["state"] == "running":
            if self._telling or asking or self._left > 0:
                return
            self.asked["state"] = "done"
            self._write()
        self._over(self)

    def _mark(self, entries: Iterable[Entry], trial: dict[str, Any]) -> None:
        records.update({entry.number: {"trial": trial} for entry in entries})

    def _write(self) -> None:
        """Keep in the record what is known of the search."""
        options = {**self._options, "search": self.asked}
        records.change_submission(self._number, {"options": options})
        self._runs.changes.note([self.id])

    def _do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Have a search end with an error that Optuna or the disk makes, and not stand still."""
        try:
            await work
        except Exception as error:
            log.exception("%s cannot go on", self.id)
            await self._fail(f"{self.id} cannot go on: {error!r}")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
