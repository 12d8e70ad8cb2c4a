"""Runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lepton_jlab.errors import NotFoundError, UsageError
from lepton_jlab.server.lab import Lab

if TYPE_CHECKING:
    from lepton_jlab.runs import Run, Sweep


def list_some(lab: Lab, **filters: Any) -> dict[str, Any]:
    """Return a page of runs, newest first."""
    from lepton_jlab.runs.listing import listing

    found = listing(**filters)
    return {**found, "runs": [located(lab, one) for one in found["runs"]]}


def show(lab: Lab, id: str) -> dict[str, Any]:  # noqa: A002 (as the route calls it)
    """Return one run."""
    return located(lab, one(id).info())


def history(_lab: Lab, id: str, full: bool = False) -> dict[str, Any]:  # noqa: A002
    """Return the course of a run's metrics."""
    found: dict[str, Any] = one(id).history_table(None if full else 2000)
    return found


def output(
    _lab: Lab,
    id: str,  # noqa: A002
    start: int = 0,
    limit: int = 1000,
    tail: int | None = None,
) -> dict[str, Any]:
    """Return a part of what a run said."""
    run = one(id)
    if tail is not None:
        messages, more = run.messages(tail=tail), False
    else:
        messages = run.messages(start, limit=limit + 1)
        messages, more = messages[:limit], len(messages) > limit
    following = messages[-1]["seq"] + 1 if messages else start
    return {"messages": messages, "next": following, "more": more}


def cancel(lab: Lab, id: str, force: bool = False) -> dict[str, Any]:  # noqa: A002
    """Cancel a run or a sweep; it ends a moment later."""
    found = either(id)
    found.cancel(force)
    return _whole(lab, found)


def rerun(lab: Lab, id: str) -> dict[str, Any]:  # noqa: A002
    """Submit a run or a sweep again."""
    return _whole(lab, either(id).rerun())


def resume(lab: Lab, id: str, trials: int | None = None) -> dict[str, Any]:  # noqa: A002
    """Have a search go on."""
    from lepton_jlab.runs.sweep import Sweep

    found = either(id)
    if not isinstance(found, Sweep):
        raise UsageError(f"{id} is a single run; what goes on is a sweep with --trials.")
    return _whole(lab, found.resume(trials))


def compare(lab: Lab, ids: str) -> dict[str, Any]:
    """Put runs side by side."""
    from lepton_jlab.runs.comparison import comparison

    keys = [key for key in ids.split(",") if key]
    if not keys:
        raise UsageError("ids names no run. Give some: ?ids=r1,r2 or the sweep ?ids=s3")
    found = comparison(keys)
    return {**found, "runs": [located(lab, one) for one in found["runs"]]}


def located(lab: Lab, document: dict[str, Any]) -> dict[str, Any]:
    """Name a run's notebook as the browser does, by its path below the root."""
    return {**document, "notebook": lab.named(document["notebook"])}


def _whole(lab: Lab, found: Run | Sweep) -> dict[str, Any]:
    """Return the document of a run with everything, or of a sweep."""
    from lepton_jlab.runs.run import Run

    if isinstance(found, Run):
        return located(lab, found.info())
    document = found.to_dict()
    return {**document, "runs": [located(lab, run) for run in document["runs"]]}


def either(key: str) -> Run | Sweep:
    """Return the run or the sweep of that id or name."""
    from lepton_jlab.runs.lookup import run

    return run(key)


def one(key: str) -> Any:
    """Return the run of that id or name; NotFoundError for a sweep."""
    from lepton_jlab.runs.sweep import Sweep

    found = either(key)
    if isinstance(found, Sweep):
        raise NotFoundError(f"{key} is a sweep. Ask for one of its runs: {found[0].id}")
    return found
