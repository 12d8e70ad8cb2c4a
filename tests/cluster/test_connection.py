"""Connection files: who may read them, and what becomes of those of the dead."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import lepton_jlab as lepton
from lepton_jlab.cluster import connection
from lepton_jlab.cluster.elsewhere import machine
from lepton_jlab.errors import ClusterError, NotFoundError, UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A runtime folder of the test's own."""
    monkeypatch.setattr(connection, "runtime_folder", lambda: tmp_path)
    return tmp_path


def of(pid: int, name: str, **more: object) -> dict[str, object]:
    created = psutil.Process(pid).create_time()
    info = {"name": name, "pid": pid, "created": created, "state": "running"}
    return {**info, "scratch": "/nowhere", **more}


@pytest.fixture
def dead():
    """What a host that has ended would have written."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    info = of(process.pid, "gone")
    process.communicate()
    return info


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777  # Jupyter itself makes its runtime folder sticky


def test_a_file_is_readable_by_its_owner_alone_from_the_first_moment(folder):
    umask = os.umask(0)
    try:
        connection.claim("gpu", of(os.getpid(), "gpu"))
        claimed = mode(connection.path_of("gpu"))
        connection.write("gpu", of(os.getpid(), "gpu", address="tls://127.0.0.1:1"))
    finally:
        os.umask(umask)
    assert claimed == mode(connection.path_of("gpu")) == 0o600
    assert connection.find("gpu")["address"] == "tls://127.0.0.1:1"
    assert list(folder.iterdir()) == [connection.path_of("gpu")]


def test_the_runtime_folder_is_closed_to_others():
    from lepton_jlab.config import runtime_folder

    assert mode(runtime_folder()) == 0o700


def test_a_dead_hosts_file_is_cleared_when_somebody_looks(dead):
    connection.write("gone", dead)
    connection.write("here", of(os.getpid(), "here"))
    assert [info["name"] for info in connection.living()] == ["here"]
    assert connection.names() == ["here"]


def test_a_process_that_has_taken_over_the_pid_is_not_the_host():
    connection.write("old", {**of(os.getpid(), "old"), "created": 12345.0})
    assert connection.read("old") is None
    assert connection.names() == []


def test_a_torn_file_is_cleared(folder):
    connection.path_of("torn").write_text('{"name": "torn", "pi')
    assert connection.living() == []
    assert not connection.path_of("torn").exists()


def test_a_living_hosts_name_cannot_be_claimed(folder):
    connection.claim("local", of(os.getpid(), "local"))
    with pytest.raises(ClusterError, match="'local' runs already") as error:
        connection.claim("local", of(os.getpid(), "local", second=True))
    assert "%lepton cluster stop local" in str(error.value)
    assert "second" not in connection.find("local")
    assert list(folder.iterdir()) == [connection.path_of("local")]


def test_a_dead_hosts_name_can_be_claimed(dead):
    connection.write("gone", dead)
    connection.claim("gone", of(os.getpid(), "gone"))
    assert connection.find("gone")["pid"] == os.getpid()


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-x", ".x", "a b", "é", "x" * 65, "x\n"])
def test_a_name_that_could_leave_the_folder_is_refused(name):
    with pytest.raises(UsageError, match="cannot be a cluster's name"):
        connection.path_of(name)


def test_removing_twice_does_no_harm():
    connection.write("local", of(os.getpid(), "local"))
    connection.remove("local")
    connection.remove("local")
    assert connection.names() == []


def test_a_wrong_name_gets_the_nearest_and_the_next_step():
    connection.write("training", of(os.getpid(), "training"))
    with pytest.raises(NotFoundError) as error:
        connection.find("trainin")
    assert "Did you mean 'training'?" in str(error.value)
    assert "%lepton cluster start --name trainin" in str(error.value)


def test_without_a_cluster_the_error_says_how_to_start_one(monkeypatch):
    monkeypatch.setattr("lepton_jlab.cluster.handle._in_use", None)
    with pytest.raises(NotFoundError, match="%lepton cluster start"):
        lepton.get_cluster()


def test_of_several_clusters_one_must_be_chosen(monkeypatch):
    monkeypatch.setattr("lepton_jlab.cluster.handle._in_use", None)
    for name in ("one", "two"):
        connection.write(
            name, of(os.getpid(), name, control="tls://127.0.0.1:1", control_security={})
        )
    with pytest.raises(NotFoundError, match=r"'one', 'two'.*%lepton cluster use"):
        lepton.get_cluster()
    assert lepton.get_cluster("two").name == "two"


def test_a_cluster_that_is_starting_is_not_listed_and_says_so():
    connection.claim("slow", {**of(os.getpid(), "slow"), "state": "starting"})
    assert lepton.clusters() == []
    with pytest.raises(ClusterError, match="still starting"):
        lepton.get_cluster("slow")


def test_a_dead_hosts_scratch_folder_goes_with_its_file(dead, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "token").write_text("x")
    connection.write("gone", {**dead, "scratch": str(scratch)})
    connection.write("here", of(os.getpid(), "here", scratch=str(tmp_path)))
    connection.living()
    assert not scratch.exists()
    assert tmp_path.exists()


@pytest.fixture
def address():
    """Where something listens."""
    with socket.create_server(("", 0)) as server:
        yield f"tls://{socket.gethostname()}:{server.getsockname()[1]}"


def elsewhere(dead: dict[str, object], **more: object) -> dict[str, object]:
    """What a host writes on another machine, whose process ids mean nothing here."""
    return {**dead, "machine": ["node7", "another-kernel"], **more}


def test_a_host_of_another_machine_is_judged_by_its_address(dead, address):
    connection.write("gone", elsewhere(dead, control=address))
    assert [info["name"] for info in connection.living()] == ["gone"]
    assert connection.process_lives(dead["pid"], dead["created"])


def test_a_host_of_another_machine_that_cannot_be_reached_keeps_its_file(dead):
    connection.write("gone", elsewhere(dead, control="tls://127.0.0.1:1"))
    assert connection.living() == []
    assert connection.names() == ["gone"]
    assert connection.process_lives(dead["pid"], dead["created"])
    with pytest.raises(ClusterError, match=r"that of machine node7.*--name.*remove .*gone\.json"):
        connection.claim("gone", of(os.getpid(), "gone"))


def test_a_host_of_another_machine_whose_address_refuses_is_cleared(dead, tmp_path):
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    scratch = tmp_path / "scratch"  # the path of another machine, which happens to be here, too
    scratch.mkdir()
    control = f"tls://{socket.gethostname()}:{port}"
    connection.write("gone", elsewhere(dead, control=control, scratch=str(scratch)))
    assert connection.living() == []
    assert connection.names() == []
    assert scratch.exists()
    assert not connection.process_lives(dead["pid"], dead["created"])


def test_a_container_started_anew_clears_what_it_left(dead):
    name, *boot = machine()
    connection.write("gone", {**dead, "machine": ["another-name", *boot]})
    connection.write("old", {**dead, "name": "old", "machine": [name, "another-kernel"]})
    assert connection.living() == []
    assert connection.names() == []
