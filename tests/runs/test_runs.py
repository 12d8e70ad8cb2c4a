"""Runs on a real cluster: what comes back, in which order, and how they are ended."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest
from conditions import wait_gone, wait_until

import lepton_jlab as lepton
from lepton_jlab.errors import NotFoundError, UsageError
from lepton_jlab.runs import Run, Sweep
from lepton_jlab.runs.environment import environment

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light", "cluster")]

FOREVER = "import time\nprint('here')\nwhile True:\n    time.sleep(0.01)"
HELD = """
from pathlib import Path
import time
print('here')
while not Path(go).exists():
    time.sleep(0.01)
"""


def executing(run: Run) -> Run:
    wait_until(lambda: "here" in run.output, about=f"{run.id} executing")
    return run


@pytest.fixture
def go(tmp_path):
    """A file that ends the runs that are held."""
    return tmp_path / "go"


@pytest.fixture
def full(go):
    """Both slots taken by held runs until `go` is there."""
    held = [lepton.submit(HELD, namespace={"go": str(go)}) for _ in range(2)]
    for run in held:
        executing(run)
    yield held
    go.touch()
    for run in held:
        run.wait(30)


def done(work: object, **options: object) -> Run:
    run = lepton.submit(work, **options)
    assert isinstance(run, Run)
    run.wait(60)
    assert run.state == "done", run.error
    return run


# -- what a run is


def test_a_cell_and_what_its_record_says(go):
    run = done("print('hello')\nx = 6\nx * 7", pull=["x"], name="first")
    assert run.output == "hello\n42\n"
    assert dict(run.values) == {"x": 6}
    record = run.to_dict()
    assert {"id", "name", "sweep", "state", "params", "metrics", "values", "phases", "error"} | {
        "cluster",
        "worker",
        "devices",
        "submitted",
        "started",
        "ended",
    } <= record.keys()
    assert record["name"] == "first"
    assert record["cluster"] == "local"
    assert record["values"] == ["x"]
    assert record["error"] is None
    assert record["phases"].keys() == {"queued", "start", "run", "gather"}
    assert min(record["phases"].values()) >= 0
    assert record["submitted"] <= record["started"] <= record["ended"]
    assert record["code"] == "print('hello')\nx = 6\nx * 7"
    assert run.info()["environment"] == environment()  # its worker is of this machine
    assert lepton.run("first").id == run.id


def test_a_function_is_called_and_its_result_comes_back():
    factor = 3

    def train(width, depth=2):
        return width * depth * factor

    trials = lepton.submit(train, sweep={"width": [1, 2]}).wait(60)
    assert [run.values["result"] for run in trials] == [6, 12]
    assert "def train(width, depth=2)" in trials[0].code


def test_names_of_the_notebook_come_along_and_are_listed():
    namespace = {"scale": 10, "unused": 5}
    exec("def build(n):\n    return scale * n", namespace)
    run = done("y = build(4)", pull=["y"], namespace=namespace)
    assert run.values["y"] == 40
    brought = " ".join(str(name) for name in run.to_dict()["brought"])
    assert "build" in brought
    assert "scale" in brought
    assert "unused" not in brought


def test_a_run_has_a_process_of_its_own_where_the_notebook_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = done("import os\npid, place = os.getpid(), os.getcwd()", pull=["pid", "place"])
    assert run.values["place"] == str(tmp_path)
    assert run.values["pid"] != os.getpid()
    wait_gone([run.values["pid"]])
    again = lepton.submit("leak = 1").wait(30)
    assert again.state == "done"
    assert lepton.submit("print('leak' in globals())").wait(30).output == "False\n"


def test_an_exception_has_its_own_words_and_the_cells_own_line():
    run = lepton.submit("x = 1\n\n\nx / 0").wait(30)
    assert run.state == "failed"
    assert run.error["kind"] == "exception"
    assert run.error["message"] == "ZeroDivisionError: division by zero"
    assert "line 4" in "\n".join(run.error["traceback"])
    assert "ZeroDivisionError" in run.output


def test_what_cannot_be_starts_nothing():
    before = len(lepton.runs())
    with pytest.raises(UsageError, match="lr"):
        lepton.submit("lr = 1", sweep={"lr": [1, 2]})
    with pytest.raises(UsageError, match="nowhere"):
        lepton.submit("print(nowhere)", namespace={})
    with pytest.raises(UsageError, match="--pull model"):
        lepton.submit("modle = 1", pull=["model"])
    with pytest.raises(UsageError, match="--retries is -1"):
        lepton.submit("1", retries=-1)
    with pytest.raises(UsageError, match="--repeat is 0"):
        lepton.submit("1", repeat=0)
    with pytest.raises(UsageError, match="--timeout 'soon'"):
        lepton.submit("1", timeout="soon")
    with pytest.raises(NotFoundError, match="No cluster named 'elsewhere'"):
        lepton.submit("1", cluster="elsewhere")
    assert len(lepton.runs()) == before


# -- sweeps


def test_a_sweep_is_the_cross_product_in_order():
    sweep = lepton.submit(
        "print(lr, units)\nlepton.log(loss=lr * units)",
        sweep={"lr": [0.5, 0.25], "units": [1, 2]},
        namespace={"lepton": lepton},
        name="trials",
    ).wait(60)
    points = [(0.5, 1), (0.5, 2), (0.25, 1), (0.25, 2)]
    assert isinstance(sweep, Sweep)
    assert [(run.params["lr"], run.params["units"]) for run in sweep] == points
    assert [run.output for run in sweep] == [f"{lr} {units}\n" for lr, units in points]
    assert sweep.best("loss").params == {"lr": 0.25, "units": 1}
    assert sweep.best("loss", "max").params == {"lr": 0.5, "units": 2}
    table = sweep.table()
    assert list(table["loss"]) == [0.5, 1.0, 0.25, 0.5]
    assert list(table["state"]) == ["done"] * 4
    assert lepton.run("trials").id == sweep.id == sweep[0].sweep


def test_each_point_is_repeated():
    sweep = lepton.submit("print(x)", sweep={"x": [1, 2]}, repeat=2).wait(60)
    assert [run.output for run in sweep] == ["1\n", "1\n", "2\n", "2\n"]
    alone = lepton.submit("print(1)", repeat=3).wait(60)
    assert isinstance(alone, Sweep)
    assert [run.state for run in alone] == ["done"] * 3


def test_metrics_are_kept_step_by_step():
    run = done(
        "for n in range(5):\n    lepton.log(loss=1 / (n + 1), step=n)",
        namespace={"lepton": lepton},
    )
    assert run.metrics == {"loss": 0.2}
    assert list(run.history.index) == list(range(5))
    assert list(run.history["loss"]) == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]


# -- retries and limits


def test_a_run_that_fails_is_tried_again(tmp_path):
    code = (
        "from pathlib import Path\n"
        "tries = Path(folder) / 'tries'\n"
        "count = len(tries.read_text()) if tries.exists() else 0\n"
        "tries.write_text('x' * (count + 1))\n"
        "assert count == 2, f'try {count}'\n"
    )
    run = done(code, namespace={"folder": str(tmp_path)}, retries=2)
    assert run.to_dict()["attempt"] == 3
    assert "Attempt 1 ended: AssertionError: try 0" in run.output
    assert "Attempt 2 ended: AssertionError: try 1" in run.output


def test_retries_come_to_an_end(tmp_path):
    run = lepton.submit("1 / 0", retries=1).wait(30)
    assert (run.state, run.to_dict()["attempt"]) == ("failed", 2)


def test_a_timeout_says_so():
    run = lepton.submit(FOREVER, timeout=0.5).wait(30)
    assert (run.state, run.error["kind"]) == ("failed", "timeout")
    assert "--timeout 0.5 s" in run.error["message"]
    assert "KeyboardInterrupt" in run.output


def test_a_stall_says_so_and_output_is_a_sign_of_life():
    silent = lepton.submit("import time\nprint('here')\ntime.sleep(1e6)", stall=1)
    lively = lepton.submit(
        "import time\nfor n in range(15):\n    print(n)\n    time.sleep(0.1)", stall=1
    )
    silent.wait(30)
    assert (silent.state, silent.error["kind"]) == ("failed", "stall")
    assert "--stall 1.0 s" in silent.error["message"]
    assert lively.wait(30).state == "done"


# -- persistent children


def test_a_kept_child_shares_its_state_with_the_next_run():
    name = "swarm"
    first = done("import os\nstate, pid = [1], os.getpid()", keep=name, pull=["pid"])
    pids = {first.values["pid"]}
    for _ in range(6):  # whichever worker it is, its child stays
        code = "import os\nstate = [*globals().get('state', []), 1]\npid = os.getpid()"
        run = done(code, keep=name, pull=["pid", "state"])
        seen = run.values["pid"] in pids
        assert (len(run.values["state"]) > 1) == seen
        pids.add(run.values["pid"])
    assert len(pids) <= 2
    other = done("print('state' in globals())", keep="another")
    assert other.output == "False\n"


def test_an_exception_in_a_kept_child_leaves_it_alive():
    before = done("import os\npid = os.getpid()", keep="sturdy", pull=["pid"]).values["pid"]
    failed = lepton.submit("import os\nprint(os.getpid())\n1 / 0", keep="sturdy").wait(30)
    assert failed.state == "failed"
    pids = [
        done("import os\npid = os.getpid()", keep="sturdy", pull=["pid"]).values["pid"]
        for _ in range(2)
    ]
    assert {before, int(failed.output.split()[0])} >= set(pids)


# -- cancelling


def test_cancelling_interrupts_a_running_cell():
    code = (
        "import time\n"
        "try:\n"
        "    print('here')\n"
        "    while True:\n"
        "        time.sleep(0.01)\n"
        "finally:\n"
        "    print('tidied up')\n"
    )
    run = executing(lepton.submit(code))
    run.cancel()
    run.wait(30)
    assert run.state == "cancelled"
    assert run.error is None
    assert "tidied up" in run.output


def test_cancelling_right_after_submitting_is_not_forgotten():
    for _ in range(5):
        run = lepton.submit(FOREVER)
        run.cancel()
        assert run.wait(30).state == "cancelled"


def test_a_cell_that_does_not_listen_is_killed_after_the_grace():
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('here')\n"
        "time.sleep(1e6)\n"
    )
    run = executing(lepton.submit(code))
    run.cancel()
    assert run.wait(30).state == "cancelled"


def test_force_kills_at_once():
    run = executing(lepton.submit(FOREVER + "\n"))
    run.cancel(force=True)
    run.wait(30)
    assert run.state == "cancelled"
    assert "KeyboardInterrupt" not in run.output


def test_a_cancelled_run_is_not_tried_again():
    run = executing(lepton.submit(FOREVER, retries=3))
    run.cancel()
    assert run.wait(30).state == "cancelled"
    assert run.to_dict()["attempt"] == 1


def test_queued_runs_are_cancelled_before_they_start(full, go, tmp_path):
    waiting = lepton.submit(f"open({str(tmp_path / 'started')!r}, 'w')", repeat=3)
    waiting.cancel()
    waiting.wait(30)
    assert [run.state for run in waiting] == ["cancelled"] * 3
    assert [run.to_dict()["started"] for run in waiting] == [None] * 3
    go.touch()
    for run in full:
        assert run.wait(30).state == "done"
    assert done("print(1)").output == "1\n"
    assert not (tmp_path / "started").exists()


def test_another_process_sees_the_same_runs_and_may_cancel_them():
    run = executing(lepton.submit(FOREVER, name="shared"))
    code = (
        "import lepton_jlab as lepton\n"
        "run = lepton.run('shared')\n"
        "print(run.id, run.state, run.output.strip())\n"
        "run.cancel()\n"
        "print(run.wait(30).state)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.split() == [run.id, "running", "here", "cancelled"]
    assert run.state == "cancelled"


# -- order


def test_first_come_first_served_and_the_place_is_shown(full, go, tmp_path):
    log = tmp_path / "order"
    note = "with open(log, 'a') as file:\n    file.write(f'{me}\\n')"
    queued = [
        lepton.submit(note, sweep={"me": [n]}, namespace={"log": str(log)})[0] for n in range(6)
    ]
    assert [run.to_dict()["place"] for run in queued] == [1, 2, 3, 4, 5, 6]
    queued[1].cancel()
    queued[1].wait(30)
    assert [run.to_dict()["place"] for run in queued] == [1, None, 2, 3, 4, 5]
    go.touch()
    for run in queued:
        run.wait(30)
    assert [run.state for run in queued] == ["done", "cancelled", *["done"] * 4]
    # Two slots: neighbours may pass each other, and nobody else.
    started = [run.to_dict()["started"] for run in queued if run.state == "done"]
    assert started == sorted(started)
    assert sorted(log.read_text().split()) == ["0", "2", "3", "4", "5"]


def test_waiting_has_an_end_and_the_run_goes_on(go):
    run = executing(lepton.submit(HELD, namespace={"go": str(go)}))
    with pytest.raises(TimeoutError, match=f"{run.id}.*go on"):
        run.wait(0.05)
    assert run.state == "running"
    go.touch()
    assert run.wait(30).state == "done"


# -- values


def test_values_of_many_kinds_come_back():
    run = done(
        "import numpy as np\n"
        "class Point:\n"
        "    def __init__(self, x):\n"
        "        self.x = x\n"
        "array, point, nothing = np.arange(1_000_000), Point(3), None\n",
        pull=["array", "point", "nothing"],
    )
    assert list(run.values) == ["array", "point", "nothing"]
    assert run.values["array"].sum() == 499999500000
    assert run.values["point"].x == 3
    assert run.values["nothing"] is None


def test_a_value_that_cannot_be_saved_is_named():
    run = lepton.submit("import threading\nlock = threading.Lock()", pull=["lock"]).wait(30)
    assert run.state == "failed"
    assert "'lock'" in run.error["message"]


def test_a_large_value_that_is_pushed_is_kept_once():
    import numpy as np

    from lepton_jlab.runs import records

    before = set(records.payload_folder().iterdir())
    large = np.ones(4_000_000)
    runs = lepton.submit(
        "print(large.sum() * n)", sweep={"n": [1, 2, 3]}, push=["large"], namespace={"large": large}
    ).wait(60)
    assert [run.output for run in runs] == ["4000000.0\n", "8000000.0\n", "12000000.0\n"]
    added = [path.stat().st_size for path in set(records.payload_folder().iterdir()) - before]
    assert 32_000_000 <= sum(added) < 33_000_000


def test_values_outlive_their_cluster(tmp_path):
    other = lepton.start_cluster("short", engine="local", workers=1, idle_timeout=60)
    run = done("x = [1, 2]\nprint('kept')", pull=["x"], cluster="short")
    other.stop()
    lepton.use_cluster("local")
    again = lepton.run(run.id)
    assert again.values["x"] == [1, 2]
    assert again.output == "kept\n"
    assert again.state == "done"


def test_output_arrives_while_the_run_goes_on(go):
    run = executing(lepton.submit(HELD, namespace={"go": str(go)}))
    assert run.state == "running"
    go.touch()
    assert run.wait(30).output == "here\n"


def test_output_and_errors_keep_their_order():
    code = """
import sys
for i in range(20):
    print("out", i)
    print("err", i, file=sys.stderr)
"""
    said = lepton.submit(code).wait(60).messages()
    pieces = itertools.groupby(said, key=lambda message: message["stream"])
    lines = [(stream, "".join(m["text"] for m in run)) for stream, run in pieces]
    assert lines == [(f"std{s}", f"{s} {i}\n") for i in range(20) for s in ("out", "err")]
