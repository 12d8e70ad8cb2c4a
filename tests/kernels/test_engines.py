"""A notebook's kernel on a worker that another service started: by SSH, or as a SLURM job."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from kernels.conftest import ending, start_kernel
from slurm import running_slurm
from sshd import running_sshd

import lepton_jlab as lepton

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.usefixtures("brief_patience"),
]


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lepton.Cluster]:
    pytest.importorskip("asyncssh")
    home = tmp_path_factory.mktemp("home")
    with (
        running_sshd(tmp_path_factory.mktemp("sshd")) as sshd,
        pytest.MonkeyPatch.context() as patch,
    ):
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".ssh" / "known_hosts").write_text(sshd.known_hosts.read_text())
        patch.setenv("HOME", str(home))
        cluster = lepton.start_cluster(
            hosts=f"127.0.0.1:{sshd.port}",
            user=sshd.user,
            key=str(sshd.key),
            threads=1,
            kernel=True,
        )
        yield cluster
        cluster.stop(force=True)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lepton.Cluster]:
    if find_spec("dask_jobqueue") is None:  # not imported: that would take SIGINT from the tests
        pytest.skip("dask-jobqueue is not installed")
    with (
        running_slurm(tmp_path_factory.mktemp("slurm")) as environment,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PYTHONPATH", str(Path(lepton.__file__).parent.parent))
        for name, value in environment.items():
            patch.setenv(name, value)
        cluster = lepton.start_cluster(
            "batch", engine="slurm", partition="main", walltime=10, threads=1, memory="1GiB",
            kernel=True,
        )  # fmt: skip
        yield cluster
        cluster.stop(force=True)


def worker_pid(cluster: lepton.Cluster) -> int:
    with cluster.client() as client:
        client.wait_for_workers(1, timeout=60)
        (pid,) = client.run(os.getpid).values()
    return int(pid)


@pytest.mark.parametrize(
    ("engine", "mark"), [("ssh", "SSH_CONNECTION"), ("slurm", "SLURM_JOB_NAME")]
)
def test_it_lives_there_like_a_local_one_and_says_how_it_died(engine, mark, request, tmp_path):
    cluster: lepton.Cluster = request.getfixturevalue(engine)
    worker = worker_pid(cluster)
    kernel = start_kernel(f"lepton-{cluster.name}", tmp_path)
    try:
        assert kernel.run(f"import os; print({mark!r} in os.environ)") == ("ok", "True\n")
        assert kernel.run("Path = __import__('pathlib').Path; print(Path.cwd())")[0] == "ok"
        timer = threading.Timer(0.5, kernel.manager.interrupt_kernel)
        timer.start()
        status, text = kernel.run("import time; time.sleep(60)")
        assert (status, "KeyboardInterrupt" in text) == ("error", True)
        kernel.manager.restart_kernel()
        kernel.client.wait_for_ready(timeout=30)
        assert kernel.run("print('new', 'time' in globals())") == ("ok", "new False\n")
        (there,) = cluster.info()["workers"]
        status, text, seconds = ending(kernel, lambda: os.kill(worker, signal.SIGKILL))
        assert status == "error"
        assert text.startswith(f"KernelDied: worker {there['id']} of cluster '{cluster.name}' died")
        assert seconds < 5
    finally:
        kernel.close()
