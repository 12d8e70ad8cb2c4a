"""Who can reach a cluster: its owner, by the connection file, and nobody else."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from conditions import family, of_folder

import lepton_jlab as lepton
from lepton_jlab.cluster.channel import security_of
from lepton_jlab.cluster.start import log_of
from lepton_jlab.runs import records

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("light", "cluster")]

NOBODY = 65534

# As another user; its modules are imported before, since that user may not read them.
STRANGER = """
import asyncio, json, os, sys
from distributed import Security
from distributed.comm import connect

address, *files = sys.argv[1:]
own, plain = Security.temporary(), Security()

async def reach(address, security):
    try:
        options = security.get_connection_args("client")
        comm = await connect(address, timeout=1, **options)
        await comm.write({"op": "identity", "reply": True})
        told_us = await asyncio.wait_for(comm.read(), 1)
        return f"told us: {told_us}"
    except (OSError, TimeoutError):
        return "refused"

asyncio.run(reach("tls://127.0.0.1:9", own))  # what it imports is imported now
os.setgroups([]); os.setgid(65534); os.setuid(65534)
told = {}
for file in files:
    try:
        with open(file) as opened:
            told[file] = opened.read()
    except OSError as error:
        told[file] = type(error).__name__

for name, target, security in (
    ("keys of its own", address, own),
    ("plain TCP", address.replace("tls://", "tcp://"), plain),
):
    told[name] = asyncio.run(reach(target, security))
print(json.dumps(told))
"""


def processes(cluster: lepton.Cluster) -> list[psutil.Process]:
    """Return host, workers, fork server and children."""
    found = {p.pid: p for p in family(cluster.file["pid"])}
    return [*(found | {p.pid: p for p in of_folder(cluster.file["scratch"])}).values()]


def listeners(cluster: lepton.Cluster) -> list[tuple[str, int]]:
    lepton.submit("1").wait(30)  # so that every process is there
    return sorted(
        {
            (c.laddr.ip, c.laddr.port)
            for process in processes(cluster)
            for c in process.net_connections("inet")
            if c.status == psutil.CONN_LISTEN
        }
    )


def ask(address: str, security: object) -> str:
    """Ask a Dask server who it is; return the answer's type, or 'refused'."""
    from distributed.comm import connect

    async def scene() -> str:
        try:
            comm = await connect(address, timeout=1, **security.get_connection_args("client"))
            await comm.write({"op": "identity", "reply": True})
            return (await asyncio.wait_for(comm.read(), 5))["type"]
        except (OSError, TimeoutError, RuntimeError):
            return "refused"

    return asyncio.run(scene())


def test_what_is_written_is_closed_to_others(cluster):
    run = lepton.submit("print(1)").wait(30)
    files = [cluster.info()["connection_file"], log_of("local")]
    files += [records.data_folder() / "runs.sqlite"]
    folders = [cluster.file["scratch"], records.data_folder(), run.to_dict()["folder"]]
    folders += [Path(cluster.info()["connection_file"]).parent]
    assert {Path(file).stat().st_mode & 0o777 for file in files} == {0o600}
    assert {Path(folder).stat().st_mode & 0o777 for folder in folders} == {0o700}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_can_neither_read_nor_connect(cluster):
    scratch = Path(cluster.file["scratch"])
    files = [cluster.info()["connection_file"], str(scratch / "token"), str(log_of("local"))]
    told = subprocess.run(
        [sys.executable, "-c", STRANGER, cluster.file["address"], *files],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answers = json.loads(told.stdout)
    assert answers == {
        **dict.fromkeys(files, "PermissionError"),
        "keys of its own": "refused",
        "plain TCP": "refused",
    }


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_cannot_ask_the_fork_server(cluster):
    lepton.submit("1").wait(30)
    code = (
        "import os, socket, sys\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n"
    )
    path = Path(cluster.file["scratch"]) / "fork.sock"
    assert path.exists()
    told = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert "PermissionError" in told.stderr


def test_every_listener_wants_the_keys(cluster):
    from distributed import Security

    found = listeners(cluster)
    assert len(found) >= 3  # the scheduler and two workers
    keys = security_of(cluster.file["security"])
    kinds = set()
    for host, port in found:
        assert host == "127.0.0.1"
        kinds.add(ask(f"tls://{host}:{port}", keys))  # with the keys there is an answer
        assert ask(f"tcp://{host}:{port}", Security()) == "refused"
        assert ask(f"tls://{host}:{port}", Security.temporary()) == "refused"
    assert kinds == {"Scheduler", "Worker", "Nanny"}


def test_no_listener_speaks_http(cluster):
    for host, port in listeners(cluster):
        with socket.create_connection((host, port), timeout=5) as connection:
            try:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = connection.recv(100)
            except ConnectionError:
                answer = b""
        assert b"HTTP/" not in answer, f"{host}:{port} answers {answer!r}"


def test_no_key_is_in_arguments_environments_or_logs(cluster):
    key = cluster.file["control_security"]["key"]
    assert "PRIVATE KEY" in key
    secret = key.splitlines()[1]
    for process in processes(cluster):
        told = " ".join([*process.cmdline(), *process.environ().values()])
        assert "PRIVATE KEY" not in told
        assert secret not in told
    assert secret not in log_of("local").read_text()
    # Not by this process: when it closes the file, it loses the locks of its own connection to it.
    folder = str(records.data_folder())
    found = subprocess.run(["grep", "-rqF", secret, folder], check=False)
    assert found.returncode == 1
