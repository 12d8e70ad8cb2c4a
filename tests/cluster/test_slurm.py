"""Workers that are jobs of a real SLURM on this machine."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from conditions import wait_until
from slurm import running_slurm

import lepton_jlab as lepton
from lepton_jlab.config import data_folder
from lepton_jlab.errors import ClusterError

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]


def need_jobqueue():
    if find_spec("dask_jobqueue") is None:  # not imported: that would take SIGINT from the tests
        pytest.skip("dask-jobqueue is not installed")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    need_jobqueue()
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(Path(lepton.__file__).parent.parent))
    with running_slurm(tmp_path_factory.mktemp("slurm")) as environment:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield
        patch.undo()


def jobs() -> list[str]:
    asked = ["squeue", "--noheader", "--format=%j %T"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()


def test_start_run_scale_stop(slurm):
    cluster = lepton.start_cluster(
        "batch", engine="slurm", partition="main", walltime=10, threads=1, memory="1GiB"
    )
    try:
        assert cluster.info()["wanted"] == 1
        code = "import os\ny = [os.environ['SLURM_JOB_NAME'], n * 2]\nprint('there')"
        run = lepton.submit(code, namespace={"n": 21}, pull=["y"], cluster="batch").wait(60)
        assert (run.state, run.output) == ("done", "there\n"), run.error
        assert run.values["y"] == ["lepton-batch", 42]
        assert (cluster.info()["workers"][0]["threads"], len(jobs())) == (1, 1)
        secrets = list(data_folder().glob("slurm/*/.dask-jobqueue*"))
        assert len(secrets) >= 2
        for path in secrets:
            assert (path.stat().st_mode & 0o077, path.parent.stat().st_mode & 0o077) == (0, 0)
        script = subprocess.run(
            ["scontrol", "write", "batch_script", job_id(), "-"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert "--tls-key" in script
        assert "BEGIN" not in script
        cluster.scale(2)
        wait_until(lambda: len(cluster.info()["workers"]) == 2, 60, "the second job's worker")
        cluster.scale(1)
        wait_until(lambda: len(cluster.info()["workers"]) == 1, 30, "the end of one worker")
        wait_until(lambda: len([job for job in jobs() if job.endswith("RUNNING")]) == 1, 30)
        # More than the node has waits in SLURM's queue, which is no error here.
        assert cluster.scale("0..20")["adapt"] == [0, 20]
    finally:
        cluster.stop(force=True)
    wait_until(lambda: not [job for job in jobs() if job.endswith("RUNNING")], 30, "no job left")
    assert not list(data_folder().glob("slurm/*"))


def job_id() -> str:
    asked = ["squeue", "--noheader", "--format=%i"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0]


def test_what_slurm_refuses_is_said_in_its_words(slurm):
    with pytest.raises(ClusterError, match=r"SLURM refused the job: .*invalid partition"):
        lepton.start_cluster("no", engine="slurm", partition="nowhere", memory="1GiB")
    assert not list(data_folder().glob("slurm/*"))


def test_without_slurm_the_next_step_is_named(monkeypatch):
    need_jobqueue()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ClusterError, match="login node"):
        lepton.start_cluster("no", engine="slurm", memory="1GiB")
