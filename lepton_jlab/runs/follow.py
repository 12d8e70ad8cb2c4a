"""Follow runs live: which of them changed, as they change, until all have ended."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import cast

from lepton_jlab.errors import ClusterError
from lepton_jlab.runs.run import Run, active_by_host, refresh
from lepton_jlab.runs.sweep import Sweep

_BEAT = 1.0  # seconds between two looks when nothing changes
_ENDING = 0.05  # seconds between two looks at a host that is just ending


def follow(runs: Sequence[Run], timeout: float | None = None) -> Iterator[list[str]]:
    """Yield the ids of runs that changed; an empty list at least once a second.

    The host is asked by a long poll, so a change arrives within milliseconds. When the host is
    gone the record says what became of the runs.

    Parameters
    ----------
    runs : Sequence of Run or Sweep
        A sweep that is searched grows meanwhile; its new runs are among those that changed.
    timeout : float, optional
        Seconds after which to stop; the runs go on.
    """
    end = math.inf if timeout is None else time.monotonic() + timeout
    numbers: dict[str, int] = {}
    ids = {run.id: run for run in runs}
    while (groups := active_by_host(list(runs))) or _grows(runs):
        beat = min(_BEAT, end - time.monotonic())
        if beat <= 0:
            return
        changed: list[str] | None = None
        for group in groups or [[]]:
            try:
                host = group[0].host() if group else cast(Sweep, runs).host()
                since = numbers.get(host.name, 0)
                patience = beat / max(len(groups), 1)
                answer = host.channel.call("changes", number=since, patience=patience)
            except ClusterError:
                time.sleep(_ENDING)  # its process is ending; the record is settled once it has
                changed = [*(changed or []), *(run.id for run in group)]
                continue
            numbers[host.name] = answer["number"]
            told = [run.id for run in group] if answer["runs"] is None else answer["runs"]
            changed = [*(changed or []), *(run for run in told if run in ids)]
        refresh([ids[run] for run in changed or []])
        new = {run.id: run for run in runs if run.id not in ids}
        ids |= new
        yield list(dict.fromkeys([*(changed or []), *new]))


def _grows(runs: Sequence[Run]) -> bool:
    return isinstance(runs, Sweep) and runs.searching
