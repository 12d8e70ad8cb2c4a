"""Workers on other machines, through a real sshd on this one."""

from __future__ import annotations

import subprocess

import psutil
import pytest
from conditions import wait_gone
from sshd import running_sshd

import lepton_jlab as lepton
from lepton_jlab.cluster.engines import remote
from lepton_jlab.errors import ClusterError

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    pytest.importorskip("asyncssh")
    with running_sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def host(sshd, tmp_path, monkeypatch):
    """The host to name, whose key is known in a home of its own."""
    (tmp_path / ".ssh").mkdir(mode=0o700)
    (tmp_path / ".ssh" / "known_hosts").write_text(sshd.known_hosts.read_text())
    monkeypatch.setenv("HOME", str(tmp_path))
    return f"127.0.0.1:{sshd.port}"


def there(sshd) -> list[psutil.Process]:
    """Return the worker processes that were started through this sshd."""
    below = psutil.Process(sshd.pid).children(recursive=True)
    return [process for process in below if remote.__name__ in process.cmdline()]


def test_start_run_scale_stop(sshd, host):
    cluster = lepton.start_cluster(hosts=host, user=sshd.user, key=str(sshd.key), threads=1)
    try:
        info = cluster.info()
        assert (info["name"], info["engine"], len(info["workers"])) == ("ssh", "ssh", 1)
        assert info["address"].startswith("tls://127.0.0.1:")
        code = "import os\ny = [os.environ['SSH_CONNECTION'].split()[3], n * 2]\nprint('there')"
        run = lepton.submit(code, namespace={"n": 21}, pull=["y"], cluster="ssh").wait(60)
        assert (run.state, run.output) == ("done", "there\n"), run.error
        assert run.values["y"] == [str(sshd.port), 42]
        assert len(cluster.scale(2)["workers"]) == 2
        processes = there(sshd)
        assert len(processes) == 2
        for process in processes:  # no key, and nothing else, is where others of the host see it
            assert process.cmdline()[1:] == ["-m", remote.__name__]
            assert "BEGIN" not in " ".join(process.environ().values())
        assert len(cluster.scale(1)["workers"]) == 1
    finally:
        cluster.stop(force=True)
    wait_gone([process.pid for process in processes])


def test_workers_end_with_their_host_process(sshd, host):
    cluster = lepton.start_cluster(hosts=host, user=sshd.user, key=str(sshd.key), threads=1)
    pids = [process.pid for process in there(sshd)]
    assert pids
    psutil.Process(cluster.file["pid"]).kill()
    wait_gone(pids)
    assert "ssh" not in {one.name for one in lepton.clusters()}


def test_what_is_wrong_with_a_host_is_one_clear_error(sshd, host, tmp_path):
    with pytest.raises(ClusterError, match=r"There is no Python /no/python on 127\.0\.0\.1: --pyt"):
        lepton.start_cluster(hosts=host, user=sshd.user, key=str(sshd.key), python="/no/python")
    bare = tmp_path / "python"  # one that has no Lepton
    bare.write_text("#!/bin/sh\necho 'python: No module named lepton_jlab' >&2\nexit 1\n")
    bare.chmod(0o755)
    with pytest.raises(ClusterError, match=r"Lepton is not installed for .* Install it there: pip"):
        lepton.start_cluster(hosts=host, user=sshd.user, key=str(sshd.key), python=str(bare))
    key = tmp_path / "other"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(command, check=True)
    with pytest.raises(ClusterError, match=r"permission denied for user 'nobody'.* give --key"):
        lepton.start_cluster(hosts=host, user="nobody", key=str(key))
    (tmp_path / ".ssh" / "known_hosts").write_text("")
    with pytest.raises(ClusterError, match=r"its host key is not known.*: ssh 127\.0\.0\.1"):
        lepton.start_cluster(hosts=host, user=sshd.user, key=str(sshd.key))
    assert there(sshd) == []
