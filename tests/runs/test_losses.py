"""Workers, fork servers and hosts that die: what becomes of their runs, and what is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from conditions import family, of_folder, wait_gone, wait_until
from held import hold, pid_of

import lepton_jlab as lepton
from lepton_jlab.cluster import connection
from lepton_jlab.runs import Run

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("light", "cluster")]


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


@pytest.fixture
def go(tmp_path):
    """A file that ends the runs that are held; they end with the test, too."""
    file = tmp_path / "go"
    yield file
    file.touch()


# -- a worker dies


def test_a_dead_workers_run_is_lost_and_the_worker_is_replaced(cluster, go, tmp_path):
    run, beside = hold(go), hold(go)
    child, worker = pid_of(run), worker_pid(cluster, run)
    os.kill(worker, signal.SIGKILL)
    run.wait(30)
    assert (run.state, run.error["kind"]) == ("lost", "worker-lost")
    assert "died while it ran this" in run.error["message"]
    wait_gone([child])
    assert beside.state == "running"
    go.touch()
    assert beside.wait(30).state == "done"
    both_slots_work(cluster, tmp_path)


def test_a_dead_workers_run_is_tried_again_if_asked(cluster, go, tmp_path):
    run = hold(go, retries=1)
    first = pid_of(run)
    os.kill(worker_pid(cluster, run), signal.SIGKILL)
    wait_until(lambda: pid_of(run) != first, about="the second attempt")
    wait_gone([first])
    wait_until(lambda: run.state == "running", about="its record")
    assert run.to_dict()["attempt"] == 2
    go.touch()
    assert run.wait(30).state == "done"
    both_slots_work(cluster, tmp_path)


def test_all_workers_die_while_runs_wait(cluster, go):
    held = [hold(go, retries=1) for _ in range(2)]
    queued = lepton.submit("print(n)", sweep={"n": list(range(4))})
    for pid in {worker_pid(cluster, run) for run in held}:
        os.kill(pid, signal.SIGKILL)
    go.touch()
    assert [run.wait(60).state for run in held] == ["done", "done"]
    assert [run.output for run in queued.wait(60)] == ["0\n", "1\n", "2\n", "3\n"]


# -- the fork server dies


def test_a_dead_fork_server_costs_its_runs_and_nothing_more(cluster, go, tmp_path):
    kept = lepton.submit("state = 1", keep="state").wait(30)
    assert kept.state == "done"
    run, again = hold(go), hold(go, retries=1)
    children = {pid_of(run), pid_of(again)}
    (server,) = {p.ppid() for p in of_folder(cluster.file["scratch"]) if p.pid in children}
    os.kill(server, signal.SIGKILL)
    run.wait(30)
    assert (run.state, run.error["kind"]) == ("failed", "worker-lost")
    assert "fork server" in run.error["message"]
    wait_gone(children)
    go.touch()
    assert again.wait(30).state == "done"
    both_slots_work(cluster, tmp_path)
    assert lepton.submit("print('state' in globals())", keep="state").wait(30).state == "done"


# -- the host dies


def test_a_dead_host_leaves_lost_runs_and_nothing_else(go):
    doomed = lepton.start_cluster("doomed", engine="local", workers=1, idle_timeout=600)
    try:
        run = hold(go)
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
