"""A real sshd on this machine, with its own keys, on a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

import pytest
from conditions import wait_until

import lepton_jlab


@dataclass(frozen=True)
class Sshd:
    """Where it listens, who may log in with which key, and its process."""

    port: int
    user: str
    key: Path
    known_hosts: Path
    pid: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """Run one whose sessions find this Python's Lepton; skip where there is no sshd."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no sshd here: apt-get install openssh-server")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    port = free_port()
    shutil.copy(folder / "user.pub", folder / "authorized")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        f"SetEnv PYTHONPATH={Path(lepton_jlab.__file__).parent.parent}\n"
    )
    public = " ".join((folder / "host.pub").read_text().split()[:2])
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {public}\n[localhost]:{port} {public}\n")
    with (
        (folder / "sshd.log").open("wb") as log,
        subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"], stderr=log) as sshd,
    ):
        try:
            wait_until(lambda: _listens(port) or sshd.poll() is not None, about="sshd")
            if sshd.poll() is not None:
                pytest.skip(f"sshd does not run here: {(folder / 'sshd.log').read_text()}")
            yield Sshd(port, getuser(), folder / "user", known, sshd.pid)
        finally:
            sshd.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
