"""A kernel on a worker of another network namespace, behind a link of 10 Mbit/s and 40 ms."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import psutil
import pytest
from conditions import wait_until
from kernels.conftest import ending, execute, outputs, start_kernel
from kernels.test_kernels import CELLS
from links import Link, slow_link  # noqa: F401
from places import over_tls

import lepton_jlab as lepton

pytestmark = [pytest.mark.integration, pytest.mark.fault]


@pytest.fixture(scope="module")
def far(
    slow_link: Link,  # noqa: F811
    brief_patience: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[lepton.Cluster, int]]:
    """A cluster whose scheduler is here and whose worker is there; and the pid of its nanny."""
    with over_tls(slow_link, tmp_path_factory.mktemp("keys"), {"far": slow_link.far}) as secured:
        cluster = lepton.start_cluster("far", engine=secured.address, **secured.keys, kernel=True)
        wait_until(lambda: cluster.info()["workers"], 60)
        yield cluster, secured.nannies["far"]
        cluster.stop(force=True)


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
