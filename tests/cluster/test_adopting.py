"""A scheduler that somebody else runs, adopted with its workers, and left running."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conditions import family, wait_gone

import lepton_jlab as lepton
from lepton_jlab.cluster import connection
from lepton_jlab.errors import ClusterError

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]

# Prints its address, and ends when its standard input does.
FOREIGN = """
import json, sys
from pathlib import Path
from distributed import LocalCluster, Security

if __name__ == "__main__":
    protocol, folder = sys.argv[1:]
    security = Security()
    if protocol == "tls":
        security = Security.temporary()
        names = {"ca": "tls_ca_file", "cert": "tls_client_cert", "key": "tls_client_key"}
        for name, attribute in names.items():
            (Path(folder) / name).write_text(getattr(security, attribute))
    with LocalCluster(
        n_workers=2, threads_per_worker=1, protocol=protocol + "://", security=security,
        host="127.0.0.1", dashboard_address=None, local_directory=folder,
    ) as cluster:
        print(json.dumps(cluster.scheduler_address), flush=True)
        sys.stdin.read()
"""


@contextmanager
def foreign(protocol: str, folder: Path, before: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """Run somebody's cluster; give its address and its process."""
    script = folder / "foreign.py"
    script.write_text(FOREIGN)
    with subprocess.Popen(
        [*before, sys.executable, str(script), protocol, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline()), process.pid
        process.communicate()


def check_runs(name: str, tmp_path: Path) -> None:
    """Runs work there as anywhere, on both workers at once."""
    code = (
        "import time\n"
        "from pathlib import Path\n"
        "(Path(folder) / str(me)).touch()\n"
        "while len(list(Path(folder).iterdir())) < 2:\n"
        "    time.sleep(0.01)\n"
        "print('met', me)\n"
    )
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    sweep = lepton.submit(
        code, sweep={"me": [1, 2]}, namespace={"folder": str(meeting)}, cluster=name
    ).wait(60)
    assert [run.output for run in sweep] == ["met 1\n", "met 2\n"]
    run = lepton.submit("x = [n] * 3", namespace={"n": 7}, pull=["x"], cluster=name).wait(30)
    assert run.values["x"] == [7, 7, 7]


@pytest.mark.parametrize("protocol", ["tls", "tcp"])
def test_runs_work_there_and_stopping_leaves_it_running(protocol, tmp_path):
    with foreign(protocol, tmp_path) as (address, pid):
        assert address.startswith(f"{protocol}://")
        keys = {}
        if protocol == "tls":
            keys = {f"tls_{name}": str(tmp_path / name) for name in ("ca", "cert", "key")}
        before = {p.pid for p in family(pid)}
        adopted = lepton.start_cluster("theirs", engine=address, idle_timeout=600, **keys)
        try:
            info = adopted.info()
            assert (info["engine"], info["address"]) == (address, address)
            assert len(info["workers"]) == 2
            check_runs("theirs", tmp_path)
            with pytest.raises(ClusterError, match="somebody else's cluster"):
                adopted.scale(3)
            if protocol == "tcp":
                with pytest.raises(ClusterError, match=r"takes no kernels.*without encryption"):
                    adopted.offer_kernel()
        finally:
            adopted.stop(force=True)
        assert "theirs" not in connection.names()
        with adopted.client() as client:  # by the address, without the host
            assert client.submit(sum, [1, 2]).result(timeout=30) == 3
        assert {p.pid for p in family(pid)} == before


def test_wrong_keys_are_one_clear_error(tmp_path):
    from distributed import Security

    other = Security.temporary()
    files = {"ca": other.tls_ca_file, "cert": other.tls_client_cert, "key": other.tls_client_key}
    for name, text in files.items():
        (tmp_path / f"other-{name}").write_text(text)
    keys = {f"tls_{name}": str(tmp_path / f"other-{name}") for name in files}
    with foreign("tls", tmp_path) as (address, _):
        with pytest.raises(ClusterError, match="Check the address and the TLS files"):
            lepton.start_cluster("theirs", engine=address, **keys)
        assert "theirs" not in connection.names()


def _own_mounts() -> bool:
    """Tell whether a process with a /tmp of its own can be made here, and finds the code then."""
    if any(Path(place).is_relative_to("/tmp") for place in (sys.prefix, lepton.__file__)):
        return False
    command = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /tmp"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not _own_mounts(), reason="needs the right to mount")
def test_workers_that_do_not_share_the_disk_are_sent_what_they_need(tmp_path):
    import numpy as np

    # Its /tmp is empty, where this session has its records and the host its scratch folder.
    code = (
        'mount -t tmpfs none /tmp && mkdir /tmp/foreign && echo "$1" > /tmp/foreign/foreign.py &&'
        ' exec "$0" /tmp/foreign/foreign.py tcp /tmp/foreign'
    )
    large = np.arange(1_500_000, dtype="float64")  # several parts of a payload
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", code, sys.executable, FOREIGN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())
        adopted = lepton.start_cluster("far", engine=address, idle_timeout=600)
        try:
            far = "import os\nshared = os.path.exists(here)\ny = large * 2\nprint(large.sum())"
            run = lepton.submit(
                far,
                pull=["shared", "y"],
                push=["large"],
                namespace={"large": large, "here": str(tmp_path)},
                cluster="far",
            ).wait(60)
            assert run.state == "done", run.error
            assert run.values["shared"] is False
            assert np.array_equal(run.values["y"], large * 2)
            assert run.output == f"{large.sum()}\n"
            left = {p.pid for p in family(process.pid)}
        finally:
            adopted.stop(force=True)
        assert process.poll() is None
        process.communicate()
        wait_gone(left)
