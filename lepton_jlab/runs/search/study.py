"""What Optuna knows of one search: a file that outlives the host and is read again after it."""

from __future__ import annotations

import fcntl
import logging
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.config import data_folder, private_folder
from lepton_jlab.ranges import Range
from lepton_jlab.runs.search.asked import Asked, choices
from lepton_jlab.runs.search.trial import Report

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna import Trial
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

_NAME = "search"  # of the study in its file; Hyperband's brackets hang on it
_AGAIN = "again"  # marks a trial that takes the place of one whose runs were lost
_STARTUP = 8  # trials that TPE chooses by chance, before it has something to learn from


class Study:
    """Asks Optuna for trials and tells it what became of them. Not for several threads at once.

    Optuna minimises whatever it is told: a metric of which more is better is told negated, since
    which one it is may be known only when the first trial reports.

    Parameters
    ----------
    number
        The submission's.
    asked
        What is searched, and how.
    """

    def __init__(self, number: int, asked: Asked) -> None:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        logging.getLogger("optuna").propagate = False  # it has its own handler
        path = file_of(number)
        _cut_torn_line(path)
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_lock(path)))
        self._asked = asked
        self._choices = choices(asked["space"])
        self._distributions = {n: _distribution(found) for n, found in self._choices.items()}
        self._study: OptunaStudy = optuna.create_study(
            storage=storage, study_name=_NAME, pruner=_pruner(asked), load_if_exists=True
        )
        self._running: dict[int, Trial] = {}

    def left(self) -> int:
        """Return how many trials there are still to ask for."""
        from optuna.trial import TrialState

        trials = self._study.get_trials(deepcopy=False)
        again = sum(t.state == TrialState.WAITING for t in trials)
        return max(self._asked["trials"] - self._counted(), 0) + again

    def ask(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the record says of the next trial, and its values.

        The former is its ``number`` and, where it comes ``again``, that of the first time.
        """
        # A new one for each trial: what it chooses hangs on the seed and on what was learned, and
        # not on how often the host has died.
        self._study.sampler = _sampler(self._asked["search"], self._asked["seed"], self._counted())
        trial = self._study.ask(self._distributions)
        self._running[trial.number] = trial
        return {"number": trial.number, **trial.user_attrs}, self._values(trial.params)

    def report(self, number: int, reports: Iterable[Report]) -> Report | None:
        """Tell what a trial has come to; return the report at which it is to end early, if any."""
        trial = self._running[number]
        for report in reports:
            trial.report(self._signed(report.value), report.count)
            if trial.should_prune():
                return report
        return None

    def end(self, number: int, value: float | None, *, pruned: bool = False) -> None:
        """Tell the last value of a trial, None when it has failed."""
        from optuna.trial import TrialState

        self._running.pop(number, None)
        if pruned or (value is not None and math.isnan(value)):  # it has diverged
            self._study.tell(number, state=TrialState.PRUNED)
        elif value is None:
            self._study.tell(number, state=TrialState.FAIL)
        else:
            self._study.tell(number, self._signed(value))

    def unfinished(self) -> list[int]:
        """Return the numbers of the trials whose end was never told."""
        from optuna.trial import TrialState

        trials = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial.number for trial in trials if trial.number not in self._running]

    def again(self, number: int) -> None:
        """Give a trial up whose runs were lost; the same values come once more."""
        trial = self._study.get_trials(deepcopy=False)[number]
        self.end(number, None)
        first = trial.user_attrs.get(_AGAIN, number)
        self._study.enqueue_trial(trial.params, user_attrs={_AGAIN: first})

    def _counted(self) -> int:
        trials = self._study.get_trials(deepcopy=False)
        return sum(_AGAIN not in trial.user_attrs for trial in trials)

    def _signed(self, value: float) -> float:
        return -value if self._asked["mode"] == "max" else value

    def _values(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return what the variables are set to, in the order in which they were given."""
        return {
            name: params[name] if isinstance(found, Range) else found[params[name]]
            for name, found in self._choices.items()
        }


def file_of(number: int) -> Path:
    """Return the file of the search of a submission."""
    return private_folder(data_folder() / "searches") / f"s{number}.journal"


def _distribution(found: Range | dict[str, Any]) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if not isinstance(found, Range):
        return CategoricalDistribution(list(found))
    log, low, high, step = "log" in found.kind, found.low, found.high, found.step
    if step is not None:  # Optuna wants the last value that the steps come to
        high = low + step * math.floor((high - low) / step + 1e-9)
    if "int" in found.kind:
        return IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    return FloatDistribution(low, high, log=log, step=step)


def _sampler(search: str, seed: int, number: int) -> BaseSampler:
    import numpy as np
    from optuna.samplers import RandomSampler, TPESampler

    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return (
        RandomSampler(own)
        if search == "random"
        else TPESampler(seed=own, n_startup_trials=_STARTUP)
    )


def _pruner(asked: Asked) -> BasePruner:
    from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner

    if asked["prune"] != "hyperband":
        return MedianPruner() if asked["prune"] == "median" else NopPruner()

    class Hyperband(BasePruner):
        """Hyperband's brackets for ending trials early, while the sampler learns from all of them.

        Optuna lets the sampler see the trials of one bracket alone, if it finds a HyperbandPruner:
        of 20 trials and three brackets, it then has learned nothing by the end.
        """

        brackets: HyperbandPruner | None = None

        def prune(self, study: OptunaStudy, trial: Any) -> bool:
            # Where nobody knows the number of steps, the first trial that ends shows it.
            steps = asked["steps"] or "auto"
            self.brackets = self.brackets or HyperbandPruner(max_resource=steps)
            return self.brackets.prune(study, trial)

    return Hyperband()


def _cut_torn_line(path: Path) -> None:
    """Take away what a killed host had written of a line; Optuna would not read past it."""
    if path.exists() and (data := path.read_bytes()) and not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)


def _lock(path: Path) -> Any:
    """Make the lock of a study's file, which a killed process does not leave behind.

    Optuna's own locks are files: after a kill it waits 30 s for whoever made one.
    """

    class Lock:
        def acquire(self) -> bool:
            self._file = path.open("ab")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            return True

        def release(self) -> None:
            self._file.close()

    return Lock()
