"""Clusters from their start to their end, by all the ways there are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from conditions import alive, family, of_folder, wait_gone, wait_until

import lepton_jlab as lepton
from lepton_jlab.cluster import connection
from lepton_jlab.cluster.engines.cuda import gpu_count
from lepton_jlab.cluster.start import log_of
from lepton_jlab.config import settings
from lepton_jlab.errors import ClusterError, NotFoundError

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]

HELD = "from pathlib import Path\nimport time\nwhile not Path(go).exists():\n    time.sleep(0.01)"
MEETING = """
from pathlib import Path
import time
(Path(folder) / str(me)).touch()
while len(list(Path(folder).iterdir())) < there:
    time.sleep(0.01)
"""


def start(name, **options):
    return lepton.start_cluster(name, engine="local", threads=1, idle_timeout=600, **options)


@pytest.fixture
def own():
    """Start clusters that end with the test."""
    names: list[str] = []

    def begin(name, **options):
        names.append(name)
        return start(name, **options)

    yield begin
    for found in lepton.clusters():
        if found.name in names:
            found.stop(force=True)


def hosts() -> set[int]:
    """Return the cluster hosts that this process has started and that still run."""
    children = psutil.Process().children(recursive=True)
    return {c.pid for c in children if alive(c.pid) and "cluster.host" in " ".join(c.cmdline())}


def hold(go: Path, **options):
    """Submit a run that goes on until the file `go` is there, and return it once it executes."""
    run = lepton.submit(f"print('here')\n{HELD}", namespace={"go": str(go)}, **options)
    wait_until(lambda: "here" in run.output, about="a run that executes")
    return run


# -- what a cluster says of itself


def test_info_has_what_scripts_rely_on(cluster, tmp_path):
    run = hold(tmp_path / "go")
    info = cluster.info()
    (tmp_path / "go").touch()
    scripts = ("name", "engine", "address", "workers", "host_pid", "connection_file")
    assert {*scripts, "idle_timeout"} <= info.keys()
    assert info["name"] == "local"
    assert info["engine"] == ("cuda" if gpu_count() else "local")
    assert info["address"].startswith("tls://127.0.0.1:")
    assert info["idle_timeout"] == 600.0
    assert alive(info["host_pid"])
    assert Path(info["connection_file"]) == connection.path_of("local")
    assert len(info["workers"]) == 2
    for worker in info["workers"]:
        assert {"id", "host", "devices", "run"} <= worker.keys()
    assert sorted(str(w["run"]) for w in info["workers"]) == ["None", run.id]
    json.dumps(info)
    run.wait(30)
    assert all(worker["run"] is None for worker in cluster.info()["workers"])


def test_listing_using_and_showing(cluster):
    assert [c.name for c in lepton.clusters()] == ["local"]
    assert lepton.get_cluster() is lepton.use_cluster("local")
    assert repr(cluster).endswith("2 workers>")
    assert "&lt;Cluster" in cluster._repr_html_()
    with pytest.raises(NotFoundError, match="Did you mean 'local'"):
        lepton.use_cluster("locla")


def test_a_name_runs_once(cluster):
    before = hosts()
    with pytest.raises(ClusterError, match=r"'local' runs already.*%lepton cluster use local"):
        lepton.start_cluster()
    assert hosts() == before
    assert cluster.info()["name"] == "local"


def test_dask_work_of_ones_own_runs_beside(cluster):
    with cluster.client() as client:
        assert client.submit(sum, [1, 2, 3]).result(timeout=30) == 6


def test_of_two_that_start_at_once_one_wins(own):
    before = hosts()
    outcomes: list[object] = []

    def begin() -> None:
        try:
            outcomes.append(own("race", workers=1))
        except ClusterError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (lost,) = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert "'race'" in lost
    assert len(hosts() - before) == 1
    assert lepton.submit("print(1)", cluster="race").wait(30).state == "done"


# -- starts that fail


def nothing_left(name: str, before: set[int]) -> bool:
    """Tell that no process, connection file or log of `name` is there."""
    files = [connection.path_of(name), log_of(name)]
    return hosts() == before and not any(file.exists() for file in files)


@pytest.mark.skipif(gpu_count() > 0, reason="there is a GPU")
def test_cuda_without_a_gpu_is_one_clear_error():
    before = hosts()
    with pytest.raises(ClusterError) as error:
        lepton.start_cluster("gpu", engine="cuda")
    assert "NVML sees no GPU" in str(error.value)
    assert "--engine local" in str(error.value)
    assert "\n" not in str(error.value)
    assert nothing_left("gpu", before)


def test_a_start_that_fails_shows_the_end_of_the_log(monkeypatch):
    before = hosts()
    config = Path(os.environ["JUPYTER_CONFIG_DIR"]) / "lepton_config.json"
    kept = config.read_text()
    config.write_text('{"Settings": {"services": ["no_such_room"]}}')
    try:
        with pytest.raises(ClusterError) as error:
            start("broken")
    finally:
        config.write_text(kept)
    assert "The host of cluster 'broken' ended with status 1" in str(error.value)
    assert "No module named 'no_such_room'" in str(error.value)
    assert nothing_left("broken", before)


def test_a_start_that_takes_too_long_is_ended(monkeypatch):
    before = hosts()
    monkeypatch.setattr(settings(), "start_timeout", 0.001)
    with pytest.raises(ClusterError, match=r"was not ready in 0\.001 s"):
        start("slow")
    assert nothing_left("slow", before)


def test_an_interrupted_start_leaves_nothing():
    before = hosts()
    seen: list[str] = []

    def interrupt(line: str) -> None:
        seen.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start("stopped", progress=interrupt)
    assert len(seen) == 1
    assert nothing_left("stopped", before)


# -- scaling


def test_workers_come_and_go_and_runs_stay(own, tmp_path):
    cluster = own("elastic", workers=1)
    assert len(cluster.scale(3)["workers"]) == 3
    # Only if all three have a slot each do they ever meet.
    runs = lepton.submit(
        MEETING,
        sweep={"me": [1, 2, 3]},
        namespace={"folder": str(tmp_path), "there": 3},
        cluster="elastic",
    )
    assert [run.state for run in runs.wait(60)] == ["done"] * 3

    held = [hold(tmp_path / f"go{n}", cluster="elastic") for n in range(2)]
    with pytest.raises(ClusterError, match=f"end 1 of the running {held[0].id}, {held[1].id}"):
        cluster.scale(1)
    assert len(cluster.scale(2)["workers"]) == 2
    assert [run.state for run in held] == ["running", "running"]
    (tmp_path / "go0").touch()
    held[0].wait(30)
    assert len(cluster.scale(1)["workers"]) == 1
    (tmp_path / "go1").touch()
    assert held[1].wait(30).state == "done"
    assert lepton.submit("print(1)", cluster="elastic").wait(30).state == "done"


def test_scaling_by_force_reports_the_runs_it_ends(own, tmp_path):
    cluster = own("forced", workers=2)
    held = [hold(tmp_path / "go", cluster="forced") for _ in range(2)]
    assert len(cluster.scale(1, force=True)["workers"]) == 1
    wait_until(lambda: sorted(run.state for run in held) == ["lost", "running"])
    (lost,) = [run for run in held if run.state == "lost"]
    assert lost.error["kind"] == "worker-lost"
    (tmp_path / "go").touch()
    wait_until(lambda: sorted(run.state for run in held) == ["done", "lost"])


# -- the end


def test_stopping_leaves_nothing(own, tmp_path):
    cluster = own("brief", workers=2)
    scratch = Path(cluster.file["scratch"])
    run = hold(tmp_path / "go", cluster="brief")
    with pytest.raises(ClusterError, match=r"runs that have not ended.*--force"):
        cluster.stop()
    processes = {p.pid for p in [*family(cluster.file["pid"]), *of_folder(scratch)]}
    assert len(processes) > 4  # host, workers, fork server, child
    cluster.stop(force=True)
    assert run.state == "cancelled"
    wait_gone(processes)
    assert not scratch.exists()
    assert not connection.path_of("brief").exists()
    assert not log_of("brief").exists()
    assert repr(cluster) == "<Cluster 'brief': gone>"
    with pytest.raises(NotFoundError):
        lepton.get_cluster("brief")
    with pytest.raises(ClusterError, match="gone"):
        cluster.info()


def test_an_idle_host_stops_itself_and_a_run_is_not_idle():
    cluster = lepton.start_cluster("idle", engine="local", workers=1, idle_timeout=0.5)
    # It runs three times as long as the host may be idle: were it no work, it would be cancelled.
    run = lepton.submit("import time; time.sleep(1.5); print('awake')").wait(30)
    assert (run.state, run.output) == ("done", "awake\n")
    pid = cluster.file["pid"]
    processes = {p.pid for p in family(pid)}
    wait_gone(processes)
    assert "idle" not in connection.names()
    assert not Path(cluster.file["scratch"]).exists()


def test_a_terminated_host_ends_in_order(own):
    cluster = own("polite", workers=1)
    processes = {p.pid for p in family(cluster.file["pid"])}
    os.kill(cluster.file["pid"], signal.SIGTERM)
    wait_gone(processes)
    assert "polite" not in connection.names()
    assert not Path(cluster.file["scratch"]).exists()


def test_a_cluster_outlives_the_process_that_started_it(own, tmp_path):
    code = (
        "import lepton_jlab as lepton\n"
        "lepton.start_cluster('heir', engine='local', workers=1, idle_timeout=600)\n"
        "run = lepton.submit('import time; time.sleep(0.5); print(42)', name='legacy')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    run = lepton.run("legacy").wait(30)
    assert (run.state, run.output) == ("done", "42\n")
    heir = lepton.get_cluster("heir")
    assert lepton.submit("print(43)", cluster="heir").wait(30).output == "43\n"
    heir.stop()
