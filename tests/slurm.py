"""A real SLURM on this machine: munge, one controller, one node, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from conditions import wait_until
from sshd import free_port

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo", "squeue")


@contextmanager
def running_slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Run it, and give the environment in which its commands find it; skip where it cannot run."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in _PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here: apt-get install slurm-wlm munge")
    if os.getuid() != 0:
        pytest.skip("slurmd needs to be root")
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key, munge, log = folder / "munge.key", folder / "munge.socket", folder / "munge.log"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    name = socket.gethostname()
    config = folder / "slurm.conf"
    config.write_text(
        f"ClusterName=lepton\nSlurmctldHost={name}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\n"
        f"AuthType=auth/munge\nAuthInfo=socket={munge}\nCredType=cred/munge\nMpiDefault=none\n"
        "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nReturnToService=2\nKillWait=5\n"
        "JobAcctGatherType=jobacct_gather/none\nSelectType=select/cons_tres\n"
        "SelectTypeParameters=CR_Core_Memory\nSlurmdParameters=config_overrides\n"
        f"SlurmctldPort={free_port()}\nSlurmdPort={free_port()}\n"
        f"SlurmctldPidFile={folder}/slurmctld.pid\nSlurmdPidFile={folder}/slurmd.pid\n"
        f"StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool\n"
        "SchedulerParameters=sched_min_interval=200000,batch_sched_delay=0\n"
        f"NodeName={name} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 State=UNKNOWN\n"
        "PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP\n"
    )
    environment = {"SLURM_CONF": str(config)}
    daemons = [
        [
            *("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}"),
            *(f"--pid-file={folder}/munge.pid", f"--log-file={log}"),
            f"--seed-file={folder}/munge.seed",
        ],
        ["slurmctld", "-D", "-f", str(config)],
        ["slurmd", "-D", "-f", str(config)],
    ]
    with ExitStack() as stack:
        for command in daemons:
            output = stack.enter_context((folder / f"{command[0]}.out").open("wb"))
            daemon = subprocess.Popen(
                [shutil.which(command[0], path=path) or command[0], *command[1:]],
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
            )
            stack.callback(daemon.wait)
            stack.callback(daemon.terminate)
            if command[0] == "munged":
                wait_until(munge.exists, about="munged")
            if daemon.poll() is not None:
                pytest.skip(f"{command[0]} does not run: {_end(folder, command[0])}")

        def idle() -> bool:
            asked = ["sinfo", "--noheader", "--format=%t"]
            done = subprocess.run(
                asked, capture_output=True, text=True, env={**os.environ, **environment}
            )
            return done.stdout.strip() == "idle"

        try:
            wait_until(idle, 30, "an idle node")
        except AssertionError:
            said = " ".join(_end(folder, command[0]) for command in daemons)
            pytest.skip(f"SLURM does not get ready here: {said}")
        yield environment


def _end(folder: Path, daemon: str) -> str:
    return " / ".join((folder / f"{daemon}.out").read_text().splitlines()[-4:])
