"""Submit again what was submitted before: the same code, values, parameters and options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lepton_jlab.cluster import connection
from lepton_jlab.cluster.handle import Cluster, get_cluster
from lepton_jlab.errors import RunError
from lepton_jlab.runs import records
from lepton_jlab.runs.environment import environment
from lepton_jlab.runs.estimates import estimates


def resubmit(
    what: str,
    submission: int,
    params: Sequence[dict[str, Any]],
    *,
    sweep: bool,
    cluster: str | None,
    resume: str | None = None,
) -> dict[str, Any]:
    """Submit the runs of `params` again and return the host's answer.

    Parameters
    ----------
    what
        What the user calls it, for messages.
    submission
        The number of the submission that is repeated.
    params
        The variables of each run.
    sweep
        Whether the new runs are a sweep.
    cluster
        On which cluster; None for the one it was on, or the one in use where that has ended.
    resume
        The id of a run whose checkpoints are taken over.

    Raises
    ------
    RunError
        When the record does not suffice: what was brought along is gone, or it is too old.
    NotFoundError
        When there is no cluster to run it.
    """
    record = _whole(what, submission)
    options = record["options"]
    if sweep and options.get("search"):  # from its beginning
        options = {**options, "search": {**options["search"], "state": "running", "error": None}}
        params = []
    else:
        options = {**options, "search": None}
    kept = ("name", "code", "brought", "notebook", "cell", "digest")
    chosen = _chosen(record["cluster"], cluster)
    more = {"resume": resume} if resume else {}
    sizes = options.get("sizes") or {}
    answer: dict[str, Any] = chosen.channel.call(
        "submit",
        submission={**{key: record[key] for key in kept}, "options": options, "sweep": sweep},
        params=list(params),
        estimates=estimates(record["digest"], params, sizes, gpu=chosen.on_gpus),
        spec={**_spec(record, options), **more},
    )
    return answer


def resume_search(submission: int, trials: int | None, cluster: str | None) -> None:
    """Have a search go on with what it has learned.

    Parameters
    ----------
    submission
        Its number.
    trials
        How many it is to have in all; None for as many as before.
    cluster
        As for `resubmit`.

    Raises
    ------
    RunError
        When it goes on, or what was brought along is gone.
    UsageError
        When it has had all its trials.
    NotFoundError
        When there is no cluster to run it.
    """
    record = _whole(f"s{submission}", submission)
    _chosen(record["cluster"], cluster).channel.call(
        "resume", number=submission, trials=trials, spec=_spec(record, record["options"])
    )


def _spec(record: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "name": record["name"], "affinity": None, "client": environment()}


def _whole(what: str, submission: int) -> dict[str, Any]:
    """Return the record of a submission if all is there that is needed to run it again."""
    record = records.submission(submission)
    assert record is not None
    options = record["options"]
    if "cwd" not in options:
        raise RunError(
            f"{what} was recorded by an earlier version, without all that is needed to run it "
            "again. Run its cell again: %%lepton run"
        )
    paths = [records.payload_folder() / digest for digest in options["payloads"]]
    if any(not path.exists() for path in paths):
        names = ", ".join(record["brought"]) or "values"
        raise RunError(
            f"What {what} brought along ({names}) is gone; it is kept for 7 days after its last "
            "use. Run its cell again: %%lepton run"
        )
    for path in paths:
        path.touch()  # it is needed again: prune_payloads looks at its age
    return record


def _chosen(before: str, cluster: str | None) -> Cluster:
    if cluster is None and connection.read(before) is not None:
        cluster = before
    return get_cluster(cluster)
