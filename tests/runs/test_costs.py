"""Runs of a real cluster: their cost, their estimates, their budgets, and who holds idle GPUs."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

import lepton_jlab as lepton
from lepton_jlab.commands import Context, perform
from lepton_jlab.errors import UsageError
from lepton_jlab.parsing import parse

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]

WORK = """
import time, lepton_jlab as lepton
end = time.process_time() + 0.15 * epochs
while time.process_time() < end:
    pass
lepton.log(accuracy=0.5)
"""
ENDLESS = "count = 0\nwhile True:\n    count += 1"


def command(line):
    return perform(parse(line.split(), "line"), Context("line"))


@pytest.fixture(scope="module")
def trials(cluster):
    """Two runs that took twice as long as each other, and two more that were estimated."""
    first = lepton.submit(WORK, sweep={"epochs": [1, 4]}, name="trials").wait(60)
    again = lepton.submit("# again\n" + WORK, sweep={"epochs": [4, 2]}, name="trials").wait(60)
    return first, again


def test_a_run_knows_what_it_has_cost(trials):
    run = trials[0][1]
    cost = run.cost
    hours = cost["parts"]["cpu"]["hours"]
    assert 0.55 < 3600 * hours < 3
    assert cost["energy_wh"] == pytest.approx(8 * hours)
    assert cost["money"] == pytest.approx(cost["energy_wh"] / 1000 * 0.25)
    assert (cost["energy"], cost["currency"]) == ("estimated", "USD")
    assert run.to_dict()["cost"] == cost
    shown = command(f"runs show {run.id}")
    assert "mWh (estimated)" in shown.text
    assert "mWh (estimated)" in shown.html
    assert "energy" in command(f"runs compare {trials[0].id}").text


def test_runs_of_the_same_code_are_estimated_and_scored(trials):
    first, again = trials
    assert all(run.to_dict()["estimate"] is None for run in first)
    for run in again:
        told = run.to_dict()["estimate"]
        taken = run.ended - run.started
        assert told["runs"] == 2
        assert told["error"] == pytest.approx(abs(told["seconds"] - taken) / taken, abs=0.02)
        assert told["money"] > 0
    assert again[0].to_dict()["estimate"]["seconds"] > again[1].to_dict()["estimate"]["seconds"]
    assert "% off" in command(f"runs show {again[0].id}").text


def test_costs_are_summed_by_run_sweep_and_day(trials):
    first, again = trials
    told = lepton.costs([first.id, again.id])
    assert [(row["key"], row["runs"]) for row in told["rows"]] == [(first.id, 2), (again.id, 2)]
    total = sum(run.cost["energy_wh"] for sweep in trials for run in sweep)
    assert told["total"]["energy_wh"] == pytest.approx(total)
    assert told["rows"][0]["per_point"]["energy_wh"] == pytest.approx(
        told["rows"][0]["energy_wh"] / 50
    )
    assert told["estimates"]["runs"] >= 2
    assert len(lepton.costs([first.id, again.id], by="run")["rows"]) == 4
    [day] = lepton.costs([first.id], by="day")["rows"]
    assert day["runs"] == 2
    assert first.id in command("cost").text
    with pytest.raises(UsageError, match="by is 'hour'; it is one of run, sweep, day"):
        lepton.costs(by="hour")


def test_a_budget_that_is_spent_stops_what_runs_and_cancels_what_waits(cluster):
    short = lepton.submit("x = 1\n" + WORK, sweep={"epochs": [1]}, energy="1kWh").wait(60)
    assert short[0].state == "done"
    sweep = lepton.submit(
        "import time\nif number:\n    while True: pass",
        sweep={"number": [0, 1, 2, 3, 4]},
        energy="8 J",
    ).wait(60)
    assert [run.state for run in sweep] == ["done", *["cancelled"] * 4]
    for run in sweep[1:]:
        assert run.error["kind"] == "budget"
        assert "--energy 2.22 mWh is spent: this submission used about" in run.error["message"]
    assert sweep[4].started is None
    run = lepton.submit(ENDLESS, budget="0.0000003", retries=3).wait(60)
    assert (run.state, run.to_dict()["attempt"]) == ("cancelled", 1)
    assert "--budget 3e-07 is spent" in run.error["message"]


def test_budgets_that_are_none_are_refused_before_anything_starts(cluster):
    with pytest.raises(UsageError, match="--energy '3 apples' is not an amount of energy"):
        lepton.submit("x = 1", energy="3 apples")
    with pytest.raises(UsageError, match="--budget '-1' is not an amount of money"):
        lepton.submit("x = 1", budget="-1")


@pytest.fixture
def kernel():
    """A real kernel, as Jupyter starts it."""

    from jupyter_client import KernelManager
    from jupyter_core.paths import jupyter_runtime_dir

    name = f"kernel-{uuid.uuid4()}.json"
    manager = KernelManager(connection_file=str(Path(jupyter_runtime_dir()) / name))
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(60)
    yield manager.provisioner.pid
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_idle_gpus_are_listed_with_who_holds_them_and_freed(cluster, kernel, invented):
    kept = lepton.submit("import os\npid = os.getpid()", keep="notes", pull=["pid"]).wait(60)
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    pids = {"kept": kept.values["pid"], "kernel": kernel, "process": other.pid}
    try:
        for pid in pids.values():
            invented.put(0, pid, 2**30)
        invented.set(0, use=0, used=3 * 2**30)
        invented.set(1, use=90)
        shown = command("cluster idle")
        [device] = shown.document()["devices"]
        assert {one["kind"]: one["pid"] for one in device["holders"]} == pids
        assert "--keep notes on" in shown.text
        assert all(one["mine"] for one in device["holders"])

        with pytest.raises(UsageError, match="goes with --free"):
            command("cluster idle -f")
        [ended] = command("cluster idle --free").document()["ended"]
        assert ended["pid"] == pids["kept"]
        again = lepton.submit("assert 'pid' not in globals()", keep="notes").wait(60)
        assert again.state == "done"  # it begins anew

        ended = command("cluster idle --free -f").document()["ended"]
        assert [one["pid"] for one in ended] == [kernel]
        assert other.poll() is None
    finally:
        other.communicate()
