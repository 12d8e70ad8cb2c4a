"""The record of runs: what hosts write, everybody reads, and the dead leave behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading

import psutil
import pytest

import lepton_jlab as lepton
from lepton_jlab.errors import ClusterError, NotFoundError, RunError, UsageError
from lepton_jlab.runs import Sweep, records


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A record of the test's own."""
    monkeypatch.setattr(records, "data_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def dead_host():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    host = {"host_pid": process.pid, "host_created": psutil.Process(process.pid).create_time()}
    process.communicate()
    return host


def add(*params, **submission):
    """Record runs of this process, as if it were their host."""
    host = {"host_pid": os.getpid(), "host_created": psutil.Process().create_time()}
    row = {
        "name": None,
        "sweep": len(params) > 1,
        "code": "x = 1",
        "options": {"payloads": []},
        "brought": [],
        "cluster": "local",
        **host,
        **submission,
    }
    return records.add(row, params or ({},))[1]


def states() -> list[str]:
    return [run.state for run in lepton.runs()]


def test_runs_are_listed_oldest_first_and_numbered_on(folder):
    add({"lr": 1}, {"lr": 2})
    add(name="last")
    assert [run.id for run in lepton.runs()] == ["r1", "r2", "r3"]
    assert [run.id for run in lepton.runs(limit=2)] == ["r2", "r3"]
    assert [run.sweep for run in lepton.runs()] == ["s1", "s1", None]
    assert stat.S_IMODE((folder / "runs.sqlite").stat().st_mode) == 0o600


def test_a_run_is_found_by_id_name_and_sweep():
    add({"lr": 1}, {"lr": 2}, name="trials")
    add(name="baseline")
    (newest,) = add(name="baseline")
    assert lepton.run("r2").params == {"lr": 2}
    assert lepton.run("baseline").id == f"r{newest}"
    for key in ("s1", "trials"):
        found = lepton.run(key)
        assert isinstance(found, Sweep)
        assert [run.params["lr"] for run in found] == [1, 2]


@pytest.mark.parametrize("key", ["r99", "s7", "trails", "", "r", "rx"])
def test_what_is_not_there_is_named(key):
    add({"lr": 1}, {"lr": 2}, name="trials")
    with pytest.raises(NotFoundError, match="%lepton runs list") as error:
        lepton.run(key)
    assert ("Did you mean 'trials'?" in str(error.value)) == (key == "trails")


def test_runs_of_a_dead_host_are_lost_and_those_that_had_ended_are_not(dead_host):
    done, running, queued = add({"a": 1}, {"a": 2}, {"a": 3}, **dead_host)
    records.update({done: {"state": "done"}, running: {"state": "running"}})
    assert states() == ["done", "lost", "lost"]
    lost = lepton.run(f"r{queued}")
    assert lost.error["kind"] == "worker-lost"
    assert f"process {dead_host['host_pid']}" in lost.error["message"]
    assert lost.ended is not None
    lost.wait(0.01)


def test_a_run_held_since_before_sees_that_its_host_has_died(dead_host):
    (number,) = add(**dead_host)
    assert lepton.run(f"r{number}").state == "lost"


def test_cancelling_what_has_ended_does_nothing():
    (number,) = add()
    records.update({number: {"state": "done"}})
    run = lepton.run(f"r{number}")
    run.cancel()
    assert run.state == "done"


def test_a_run_without_its_cluster_says_so():
    (number,) = add()
    with pytest.raises(ClusterError, match="'local' of r1 has ended"):
        lepton.run(f"r{number}").host()


def test_the_place_in_the_queue_counts_those_before_it():
    first, second, third = add({"a": 1}, {"a": 2}, {"a": 3})
    records.update({first: {"state": "running"}})
    places = [lepton.run(f"r{n}").to_dict()["place"] for n in (first, second, third)]
    assert places == [None, 1, 2]


def test_the_best_run_is_by_what_its_metric_means():
    numbers = add({"lr": 1}, {"lr": 2}, {"lr": 3})
    for number, loss, accuracy in zip(numbers, (0.3, 0.1, 0.2), (0.7, 0.9, 0.8), strict=True):
        records.update({number: {"metrics": {"loss": loss, "accuracy": accuracy}}})
    records.update({numbers[2]: {"metrics": {"loss": float("nan"), "accuracy": 0.8}}})
    sweep = lepton.run("s1")
    assert sweep.best("loss").params["lr"] == sweep.best("accuracy").params["lr"] == 2
    assert sweep.best("accuracy", "min").params["lr"] == 1
    with pytest.raises(RunError, match=r"No run has logged 'acuracy'. Did you mean 'accuracy'?"):
        sweep.best("acuracy")
    with pytest.raises(UsageError, match="'min' or 'max'"):
        sweep.best("loss", "most")


def test_where_there_is_no_best_run_it_says_why():
    failed, _ = add({"lr": 1}, {"lr": 2})
    with pytest.raises(RunError, match=r"^No run has logged a metric yet\.$"):
        lepton.run("s1").best()
    error = {"kind": "exception", "message": "ValueError: too steep"}
    records.update({failed: {"state": "failed", "error": error}})
    with pytest.raises(RunError, match=r"yet\. 1 of 2 failed; r1: ValueError: too steep$"):
        lepton.run("s1").best()


def test_a_sweep_is_a_sequence_and_a_table():
    numbers = add({"lr": 1}, {"lr": 2})
    records.update({n: {"state": "done", "metrics": {"loss": n / 10}} for n in numbers})
    sweep = lepton.run("s1")
    assert len(sweep) == 2
    assert [run.id for run in sweep[:1]] == ["r1"]
    table = sweep.table()
    assert list(table.index) == ["r1", "r2"]
    assert list(table["loss"]) == [0.1, 0.2]
    assert list(table["lr"]) == [1, 2]
    assert repr(sweep) == "<Sweep s1: 2 done>"


def test_history_has_one_row_a_step(folder):
    (number,) = add()
    lines = ['{"step": 0, "t": 1.0, "loss": 0.5}', '{"step": 0, "t": 1.5, "acc": 0.7}']
    lines += ['{"step": 1, "t": 2.0, "loss": 0.25}']
    (records.folder(number) / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    history = lepton.run(f"r{number}").history
    assert list(history.index) == [0, 1]
    assert history.loc[0, "loss"] == 0.5
    assert history.loc[0, "acc"] == 0.7


def test_a_value_that_was_not_pulled_is_named_with_the_way_to_it():
    add()
    with pytest.raises(NotFoundError, match="--pull model"):
        lepton.run("r1").values["model"]


def test_writers_in_several_threads_do_not_lose_rows():
    def write() -> None:
        for _ in range(20):
            (number,) = add()
            records.update({number: {"state": "done"}})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states() == ["done"] * 80


def test_payloads_are_pruned_by_age_unless_a_run_still_needs_them(folder):
    add(options={"payloads": ["needed"]})
    for name in ("needed", "old", "new"):
        (records.payload_folder() / name).write_bytes(b"x")
    for name in ("needed", "old"):
        os.utime(records.payload_folder() / name, (0, 0))
    records.prune_payloads()
    assert sorted(p.name for p in records.payload_folder().iterdir()) == ["needed", "new"]
