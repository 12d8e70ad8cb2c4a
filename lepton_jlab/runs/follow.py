"""Follow runs live: which of them changed, as they change, until all have ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from lepton_jlab.errors import ClusterError
from lepton_jlab.runs import records
from lepton_jlab.runs.run import Run

_BEAT = 1.0  # seconds between two looks when nothing changes


def follow(runs: Sequence[Run], timeout: float | None = None) -> Iterator[list[str]]:
    """Yield the ids of runs that changed; an empty list at least once a second.

    The host is asked by a long poll, so a change arrives within milliseconds. When the host is
    gone the record says what became of the runs.

    Parameters
    ----------
    timeout : float, optional
        Seconds after which to stop; the runs go on.
    """
    end = None if timeout is None else time.monotonic() + timeout
    numbers: dict[int, int] = {}
    while active := {r._record["host_pid"]: r for r in runs if r.state in records.ACTIVE}:
        pid, example = next(iter(active.items()))
        beat = _BEAT if end is None else min(_BEAT, end - time.monotonic())
        if beat <= 0:
            return
        try:
            answer = example.host().channel.call(
                "changes", number=numbers.get(pid, 0), patience=beat
            )
        except ClusterError:
            time.sleep(0.05)  # its process is ending; the record is settled once it has
            yield []
            continue
        numbers[pid] = answer["number"]
        known = [run.id for run in runs]
        changed = answer["runs"]
        yield known if changed is None else [run for run in known if run in set(changed)]
