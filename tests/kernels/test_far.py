"""A kernel on a worker of another network namespace, behind a link of 10 Mbit/s and 40 ms."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest
from conditions import wait_until
from kernels.conftest import ending, execute, outputs, start_kernel
from kernels.test_kernels import CELLS
from links import Link, slow_link  # noqa: F401

import lepton_jlab as lepton

pytestmark = [pytest.mark.integration, pytest.mark.fault]

SCHEDULER = """
import asyncio, sys
from distributed import Scheduler, Security

async def main(host, folder):
    names = ("tls_ca_file", "tls_scheduler_cert", "tls_scheduler_key")
    security = Security(require_encryption=True, **{n: f"{folder}/{n}.pem" for n in names})
    async with Scheduler(
        host=host, protocol="tls://", security=security, dashboard=False
    ) as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def far(
    slow_link: Link,  # noqa: F811
    brief_patience: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[lepton.Cluster, int]]:
    """A cluster whose scheduler is here and whose worker is there; and the pid of its nanny."""
    from distributed import Security

    folder = tmp_path_factory.mktemp("keys")
    keys = Security.temporary()
    for role in ("scheduler", "worker", "client"):
        for part in ("cert", "key"):
            name = f"tls_{role}_{part}"
            (folder / f"{name}.pem").write_text(getattr(keys, name))
    (folder / "tls_ca_file.pem").write_text(keys.tls_ca_file)
    scheduler = subprocess.Popen(
        [sys.executable, "-c", SCHEDULER, slow_link.near.address, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert scheduler.stdout is not None
    address = scheduler.stdout.readline().strip()
    nanny = slow_link.far.popen(
        [
            *(sys.executable, "-m", "distributed.cli.dask_worker", address, "--nanny"),
            *("--nworkers", "1", "--nthreads", "1", "--name", "far", "--no-dashboard"),
            *("--host", slow_link.far.address, "--local-directory", str(folder)),
            *("--tls-ca-file", str(folder / "tls_ca_file.pem")),
            *("--tls-cert", str(folder / "tls_worker_cert.pem")),
            *("--tls-key", str(folder / "tls_worker_key.pem")),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    cluster = lepton.start_cluster(
        "far",
        engine=address,
        tls_ca=str(folder / "tls_ca_file.pem"),
        tls_cert=str(folder / "tls_client_cert.pem"),
        tls_key=str(folder / "tls_client_key.pem"),
        kernel=True,
    )
    wait_until(lambda: cluster.info()["workers"], 60)
    yield cluster, nanny.pid
    cluster.stop(force=True)
    scheduler.kill()
    scheduler.wait()


def test_a_notebook_shows_what_it_shows_on_a_local_kernel(far, slow_link, tmp_path):  # noqa: F811
    (tmp_path / "mine.py").write_text("WORD = 'from a module beside the notebook'")
    here = execute("python3", tmp_path, CELLS)
    there = execute("lepton-far", tmp_path, (*CELLS, "!ip -4 -o addr show scope global"))
    assert slow_link.far.address in there.cells.pop().outputs[0].text
    assert outputs(there) == outputs(here)


def test_interrupt_restart_and_the_death_of_the_worker(far, tmp_path):
    _, nanny = far
    kernel = start_kernel("lepton-far", tmp_path)
    try:
        timer = threading.Timer(1.0, kernel.manager.interrupt_kernel)
        timer.start()
        # Much output under way does not hold the interrupt up.
        status, text = kernel.run("while True: print('0123456789' * 100)", 60)
        assert status == "error"
        assert "KeyboardInterrupt" in text
        kernel.manager.restart_kernel()
        kernel.client.wait_for_ready(timeout=30)
        assert kernel.run("print('new')") == ("ok", "new\n")
        worker = psutil.Process(nanny).children()[-1]
        status, text, seconds = ending(kernel, lambda: worker.send_signal(signal.SIGKILL))
        assert (status, text) == (
            "error",
            "KernelDied: worker far of cluster 'far' died (signal 9, killed)",
        )
        assert seconds < 5
    finally:
        kernel.close()
