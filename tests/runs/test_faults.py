"""Runs, workers, fork servers and hosts that die: what is said, what goes on, what is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from conditions import alive, family, of_folder, wait_gone, wait_until

import lepton_jlab as lepton
from lepton_jlab.cluster import connection
from lepton_jlab.runs import Run

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("light", "cluster")]

HELD = """
import os, time
from pathlib import Path
print(os.getpid(), 'here')
while not Path(go).exists():
    time.sleep(0.01)
"""
SHARED = """
import mmap, time
shared = mmap.mmap(-1, 400_000_000)
for page in range(0, len(shared), 4096):
    shared[page] = 1
time.sleep(1e6)
"""
DEAF = """
import time
while True:
    try:
        time.sleep(1e6)
    except BaseException:
        pass
"""


def hold(go: Path, **options: object) -> Run:
    """Return a run that executes until the file `go` is there."""
    run = lepton.submit(HELD, namespace={"go": str(go)}, **options)
    wait_until(lambda: "here" in run.output, about=f"{run.id} executing")
    return run


def pid_of(run: Run) -> int:
    """Return the process of a held run; the newest, if it was tried again."""
    return int([line for line in run.output.splitlines() if line.endswith("here")][-1].split()[0])


def worker_pid(cluster: lepton.Cluster, run: Run) -> int:
    with cluster.client() as client:
        names = {a: str(w["name"]) for a, w in client.scheduler_info()["workers"].items()}
        pids = client.run(os.getpid)
    return next(pids[a] for a, name in names.items() if name == run.to_dict()["worker"])


def both_slots_work(cluster: lepton.Cluster, folder: Path) -> None:
    """Two runs that end only when they have met."""
    wait_until(lambda: len(cluster.info()["workers"]) == 2, about="two workers")
    code = (
        "import time\n"
        "from pathlib import Path\n"
        "(Path(folder) / f'met-{me}').touch()\n"
        "while len(list(Path(folder).glob('met-*'))) < 2:\n"
        "    time.sleep(0.01)\n"
    )
    runs = lepton.submit(code, sweep={"me": [1, 2]}, namespace={"folder": str(folder)}).wait(60)
    assert [run.state for run in runs] == ["done", "done"]


@pytest.fixture(scope="module")
def neighbour(cluster, tmp_path_factory):
    """A run beside all those that die; so they have one slot among them."""
    go = tmp_path_factory.mktemp("neighbour") / "go"
    run = hold(go)
    yield run
    go.touch()
    run.wait(30)
    assert (run.state, run.to_dict()["attempt"], run.error) == ("done", 1, None)


@pytest.mark.parametrize(
    ("code", "options", "kind", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", {}, "signal", "killed by SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", {}, "signal", "SIGSEGV (segmentation fault)"),
        ("import os; os.abort()", {}, "signal", "SIGABRT"),
        ("import os; os._exit(3)", {}, "exit", "status 3"),
        ("import sys; sys.exit(4)", {}, "exit", "sys.exit(4)"),
        ("while True: pass", {"timeout": 0.5}, "timeout", "--timeout 0.5 s"),
        ("import time; time.sleep(1e6)", {"stall": 0.5}, "stall", "--stall 0.5 s"),
        (DEAF, {"timeout": 0.5}, "timeout", "--timeout 0.5 s"),
        ("x = bytearray(10**9)", {"memory": "300MB"}, "memory", "limit"),
        (
            "import numpy\nx = numpy.ones(10**8)",
            {"memory": "300MB"},
            "memory",
            "limit",
        ),
        (SHARED, {"memory": "200MB"}, "memory", "over its limit of --memory 200.0 MB"),
    ],
    ids=[
        *("SIGKILL", "segfault", "abort", "_exit", "sys.exit", "busy", "asleep", "deaf"),
        *("bytearray", "numpy", "shared memory"),
    ],
)
def test_each_death_is_told_in_its_own_words_and_frees_its_slot(
    neighbour, code, options, kind, words
):
    run = lepton.submit(code, **options).wait(60)
    assert run.state == "failed"
    assert run.error["kind"] == kind
    assert words in run.error["message"]
    assert lepton.submit("print('next')").wait(30).output == "next\n"
    assert neighbour.state == "running"
    assert alive(pid_of(neighbour))


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(1e6)", DEAF])
def test_what_never_ends_can_be_cancelled(neighbour, code):
    run = lepton.submit(f"print('here')\n{code}")
    wait_until(lambda: "here" in run.output)
    run.cancel()
    assert run.wait(30).state == "cancelled"
    assert lepton.submit("print('next')").wait(30).output == "next\n"
    assert neighbour.state == "running"


def test_what_a_run_leaves_in_the_background_ends_with_it(neighbour):
    code = (
        "import subprocess\n"
        "left = subprocess.Popen(['sleep', '1000'], start_new_session=True).pid\n"
        "print(left, flush=True)\n"
        "import os; os.kill(os.getpid(), 9)"
    )
    run = lepton.submit(code).wait(30)
    assert run.error["kind"] == "signal"
    wait_gone([int(run.output)])


def test_death_by_a_signal_is_tried_again_if_asked(neighbour, tmp_path):
    code = (
        "import os\n"
        "from pathlib import Path\n"
        "if not Path(mark).exists():\n"
        "    Path(mark).touch()\n"
        "    os.kill(os.getpid(), 9)\n"
        "print('survived')\n"
    )
    run = lepton.submit(code, namespace={"mark": str(tmp_path / "mark")}, retries=1).wait(30)
    assert (run.state, run.to_dict()["attempt"]) == ("done", 2)
    assert "Attempt 1 ended: killed by SIGKILL" in run.output
    assert run.output.endswith("survived\n")


# -- a worker dies


def test_a_dead_workers_run_is_lost_and_the_worker_is_replaced(cluster, tmp_path):
    run, beside = hold(tmp_path / "go"), hold(tmp_path / "go")
    child, worker = pid_of(run), worker_pid(cluster, run)
    os.kill(worker, signal.SIGKILL)
    run.wait(30)
    assert (run.state, run.error["kind"]) == ("lost", "worker-lost")
    assert "died while it ran this" in run.error["message"]
    wait_gone([child])
    assert beside.state == "running"
    (tmp_path / "go").touch()
    assert beside.wait(30).state == "done"
    both_slots_work(cluster, tmp_path)


def test_a_dead_workers_run_is_tried_again_if_asked(cluster, tmp_path):
    run = hold(tmp_path / "go", retries=1)
    first = pid_of(run)
    os.kill(worker_pid(cluster, run), signal.SIGKILL)
    wait_until(lambda: pid_of(run) != first, about="the second attempt")
    wait_gone([first])
    assert (run.state, run.to_dict()["attempt"]) == ("running", 2)
    (tmp_path / "go").touch()
    assert run.wait(30).state == "done"
    both_slots_work(cluster, tmp_path)


def test_all_workers_die_while_runs_wait(cluster, tmp_path):
    held = [hold(tmp_path / "go", retries=1) for _ in range(2)]
    queued = lepton.submit("print(n)", sweep={"n": list(range(4))})
    for pid in {worker_pid(cluster, run) for run in held}:
        os.kill(pid, signal.SIGKILL)
    (tmp_path / "go").touch()
    assert [run.wait(60).state for run in held] == ["done", "done"]
    assert [run.output for run in queued.wait(60)] == ["0\n", "1\n", "2\n", "3\n"]


# -- the fork server dies


def test_a_dead_fork_server_costs_its_runs_and_nothing_more(cluster, tmp_path):
    kept = lepton.submit("state = 1", keep="state").wait(30)
    assert kept.state == "done"
    run, again = hold(tmp_path / "go"), hold(tmp_path / "go", retries=1)
    children = {pid_of(run), pid_of(again)}
    (server,) = {p.ppid() for p in of_folder(cluster.file["scratch"]) if p.pid in children}
    os.kill(server, signal.SIGKILL)
    run.wait(30)
    assert (run.state, run.error["kind"]) == ("failed", "worker-lost")
    assert "fork server" in run.error["message"]
    wait_gone(children)
    (tmp_path / "go").touch()
    assert again.wait(30).state == "done"
    both_slots_work(cluster, tmp_path)
    assert lepton.submit("print('state' in globals())", keep="state").wait(30).state == "done"


# -- the host dies


def test_a_dead_host_leaves_lost_runs_and_nothing_else(tmp_path):
    doomed = lepton.start_cluster("doomed", engine="local", workers=1, idle_timeout=600)
    try:
        run = hold(tmp_path / "go")
        queued = lepton.submit("print(1)")
        scratch = Path(doomed.file["scratch"])
        processes = {p.pid for p in [*family(doomed.file["pid"]), *of_folder(scratch)]}
        assert pid_of(run) in processes
        os.kill(doomed.file["pid"], signal.SIGKILL)
        for lost in (run.wait(30), queued.wait(30)):
            assert (lost.state, lost.error["kind"]) == ("lost", "worker-lost")
            assert f"process {doomed.file['pid']}" in lost.error["message"]
        wait_gone(processes)
        assert "doomed" not in {c.name for c in lepton.clusters()}
        assert "doomed" not in connection.names()
        assert not scratch.exists()
        again = lepton.start_cluster("doomed", engine="local", workers=1, idle_timeout=600)
        assert lepton.submit("print(2)", cluster="doomed").wait(30).output == "2\n"
        again.stop()
    finally:
        lepton.use_cluster("local")
