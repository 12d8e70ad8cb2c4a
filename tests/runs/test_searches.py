"""Searches on a cluster: they grow, end bad runs early, and go on after kernels and hosts died."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from conditions import wait_until

import lepton_jlab as lepton
from lepton_jlab.commands import Context, perform
from lepton_jlab.commands.runs import failure, going_on
from lepton_jlab.errors import RunError, UsageError
from lepton_jlab.parsing import parse
from lepton_jlab.runs.comparison import comparison
from lepton_jlab.runs.follow import follow
from lepton_jlab.runs.views.drawing import run_html, sweep_html, sweep_text

pytestmark = pytest.mark.integration

BOWL = """
import time
import lepton_jlab as lepton
for step in range(1, 5):
    lepton.log(loss=(x - 0.3) ** 2 + 1 / step)
    time.sleep(0.05)
"""
TRAP = """
import time
from pathlib import Path
import lepton_jlab as lepton
bad = len(list(Path(ended).iterdir())) >= 6
for step in range(300_000 if bad else 20):
    lepton.log(loss=x + 10 * bad)
    time.sleep(0.002 if bad else 0.01)
Path(ended, str(x)).touch()
"""
WAITS = """
import time
from pathlib import Path
import lepton_jlab as lepton
lepton.log(loss=x)
while x not in first and not Path(go).exists():
    time.sleep(0.02)
"""
SUBMITS = """
import json, sys
import lepton_jlab as lepton
code, first, go = sys.argv[1:]
names = {"first": json.loads(first), "go": go}
lepton.use_cluster("doomed")
lepton.submit(code, sweep={"x": "float(0,1)"}, trials=7, search="random", seed=2,
              name="doomed", namespace=names)
print("submitted", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def small(light, cluster):
    return cluster


def test_a_search_grows_is_followed_and_finds_the_best(small):
    sweep = lepton.submit(BOWL, sweep={"x": "float(0,1)", "kind": ["a", "b"]}, trials=12, seed=1)
    assert (len(sweep) < 12, sweep.trials, sweep.searching) == (True, 12, True)
    seen = {run.id for run in sweep}
    for changed in follow(sweep):
        seen.update(changed)
        assert len(sweep) - sum(run.state in ("done", "failed") for run in sweep) <= 2
    assert seen == {run.id for run in sweep}
    assert [run.state for run in sweep] == ["done"] * 12
    search = sweep.search
    assert (search["state"], search["asked"], search["metric"]) == ("done", 12, "loss")
    assert abs(sweep.best().params["x"] - 0.3) < 0.2
    assert sweep.best() is min(sweep, key=lambda run: run.metrics["loss"])
    assert sweep.table().shape == (12, 6)
    assert comparison([sweep.id])["searches"] == {sweep.id: search}
    again = sweep.rerun().wait(60)
    assert (len(again), again[0].params) == (12, sweep[0].params)
    with pytest.raises(UsageError, match=rf"{sweep.id} has had all its 12 trials.*--trials 24"):
        sweep.resume()
    assert len(sweep.resume(trials=14).wait(60)) == 14


def test_bad_runs_are_ended_early_and_their_slots_used_again(small, tmp_path):
    words = ["run", "--sweep", "x=float(0,1)", "--trials", "12", "--prune", "median", "--wait"]
    context = Context("cell", {"ended": str(tmp_path)}, TRAP)
    (sweep,) = perform(parse(words, "cell"), context).work
    assert going_on([sweep])
    sweep.wait(120)  # each bad one would go on for 600 s
    pruned = [run for run in sweep if run.pruned is not None]
    assert len(pruned) >= 4
    assert {run for run in sweep if run.metrics["loss"] > 10} <= set(pruned)
    for run in pruned:
        assert (run.state, run.error, run.pruned <= 20) == ("cancelled", None, True)
        assert run.output == f"Pruned at step {run.pruned} by median.\n"
    assert not going_on([sweep])
    assert failure([sweep]) is None
    rows, search = [run.to_dict() for run in sweep], sweep.search
    about = f"pruned at step {pruned[0].pruned}"
    assert about in sweep_text(rows, search=search)
    assert about in sweep_html(rows, {}, {}, search=search)
    assert about in run_html(pruned[0].to_dict(), [], [])
    assert "12 of 12 trials · tpe, median · least loss" in sweep_text(rows, search=search)
    assert sweep.table()["pruned"].notna().sum() == len(pruned)


def test_repeats_are_one_trial_and_retries_are_its_own(small, tmp_path):
    cell = """
from pathlib import Path
import lepton_jlab as lepton
lepton.log(accuracy=x)
first = Path(seen, str(x))
if not first.exists():
    first.touch()
    raise RuntimeError("the first time")
"""
    names = {"seen": str(tmp_path)}
    given = {"sweep": {"x": "int(1,9)"}, "trials": 2, "repeat": 2, "retries": 1, "search": "random"}
    sweep = lepton.submit(cell, **given, namespace=names, seed=1).wait(60)
    assert [run.state for run in sweep] == ["done"] * 4
    assert [run.to_dict()["trial"] for run in sweep] == [0, 0, 1, 1]
    assert sweep[0].params == sweep[1].params != sweep[2].params == sweep[3].params
    assert sorted(run.to_dict()["attempt"] for run in sweep) in ([1, 1, 2, 2], [1, 2, 2, 2])
    assert (sweep.search["metric"], sweep.search["mode"]) == ("accuracy", "max")
    assert sweep.best().params["x"] == max(run.params["x"] for run in sweep)


def test_a_swept_tuple_is_one_in_its_run(small):
    cell = "import lepton_jlab as lepton\nlepton.log(loss=1)\nprint(repr(shape))"
    args = parse(["run", "--sweep", "shape=(1,2),[3,(4,5)]"], "cell")
    (sweep,) = perform(args, Context("cell", code=cell)).work
    assert [run.output for run in sweep.wait(60)] == ["(1, 2)\n", "[3, (4, 5)]\n"]
    assert sweep[0].params == {"shape": (1, 2)}
    assert sweep[0].to_dict()["params"] == {"shape": [1, 2]}
    assert sweep[0].rerun().wait(60).output == "(1, 2)\n"
    searched = lepton.submit(cell, sweep={"shape": [(1, 2)]}, trials=1)
    assert [run.output for run in searched.wait(60)] == ["(1, 2)\n"]


def test_a_metric_that_nobody_logs_ends_the_search_at_once(small):
    cell = "import lepton_jlab as lepton\nlepton.log(accuracy=x)"
    given = {"sweep": {"x": "float(0,1)"}, "trials": 50}
    sweep = lepton.submit(cell, **given, metric="acuracy").wait(60)
    assert len(sweep) < 10
    error = failure([sweep])
    assert "has not logged 'acuracy', which is searched by. Did you mean 'accuracy'?" in str(error)
    sweep = lepton.submit("pass", **given).wait(60)
    assert "has logged no metric to search by" in sweep.search["error"]
    sweep = lepton.submit("1 / 0", **{**given, "trials": 3}).wait(60)
    assert (sweep.search["state"], len(sweep)) == ("done", 3)
    assert "None of the 3 runs" in str(failure([sweep]))


def test_a_cancelled_search_chooses_no_more_and_can_go_on(small, tmp_path):
    names = {"first": first_three(), "go": str(tmp_path / "go")}
    given = {"sweep": {"x": "float(0,1)"}, "trials": 7, "search": "random", "seed": 2}
    sweep = lepton.submit(WAITS, **given, namespace=names)
    wait_until(lambda: [run.state for run in sweep[3:]] == ["running"] * 2)
    with pytest.raises(RunError, match="goes on"):
        sweep.resume()
    sweep.cancel()
    sweep.wait(30)
    assert [run.state for run in sweep] == [*["done"] * 3, *["cancelled"] * 2]
    assert f"Go on: %lepton runs resume {sweep.id}" in str(failure([sweep]))
    (tmp_path / "go").touch()
    perform(parse(["runs", "resume", sweep.id]), Context()).work[0].wait(60)
    assert_whole(sweep)


def first_three(**where):
    """Return what a random search with this seed tries first."""
    given = {"sweep": {"x": "float(0,1)"}, "trials": 3, "search": "random", "seed": 2, **where}
    return [
        run.params["x"]
        for run in lepton.submit("import lepton_jlab\nlepton_jlab.log(loss=x)", **given).wait(60)
    ]


def assert_whole(sweep):
    """Two of seven trials came again with the same values, and the rest as if nothing had been."""
    assert (sweep.search["state"], sweep.search["asked"], len(sweep)) == ("done", 7, 9)
    values = [run.params["x"] for run in sweep]
    assert values[5:7] == values[3:5]
    assert [run.state for run in sweep if run.state == "done"] == ["done"] * 7
    assert failure([sweep]) is None
    seen = [run.params["x"] for run in sweep.rerun().wait(60)]
    assert seen == [*values[:5], *values[7:]]


def test_a_search_outlives_its_kernel_and_its_host(light, tmp_path):
    host = lepton.start_cluster("doomed", workers=2, threads=1)
    folders = [json.dumps(first_three(cluster="doomed")), str(tmp_path / "go")]
    kernel = subprocess.Popen(
        [sys.executable, "-c", SUBMITS, WAITS, *folders],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert kernel.stdout.readline() == "submitted\n"
    kernel.kill()
    kernel.wait()
    sweep = lepton.run("doomed")
    wait_until(lambda: [run.state for run in sweep[3:]] == ["running"] * 2)
    os.kill(host.file["pid"], signal.SIGKILL)
    wait_until(lambda: [run.state for run in sweep] == [*["done"] * 3, *["lost"] * 2])
    assert (sweep.search["state"], sweep.searching) == ("lost", False)
    assert "its cluster 'doomed' has ended. Go on: %lepton runs resume" in str(failure([sweep]))
    (tmp_path / "go").touch()
    host = lepton.start_cluster("doomed", workers=2, threads=1)
    try:
        sweep.resume()
        assert sweep.host().name == "doomed"
        assert_whole(sweep.wait(60))
    finally:
        host.stop(force=True)
