"""A person's notebook has its kernel on a worker, and the worker dies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kernels.conftest import worker_processes
from notebook import Notebook

import lepton_jlab as lepton

pytestmark = [pytest.mark.browser, pytest.mark.integration]

CELLS = (
    "import os; print('on', os.environ['LEPTON_CLUSTER'])",
    "import time; print('begun'); time.sleep(60)",
)


@pytest.fixture(scope="module")
def seen(light: None) -> Iterator[lepton.Cluster]:
    """A cluster in the launcher, before the page is opened."""
    cluster = lepton.start_cluster("seen", workers=1, threads=1, kernel=True)
    yield cluster
    cluster.stop(force=True)


def test_a_notebook_on_a_worker_says_how_the_worker_died(
    seen: lepton.Cluster, page: Any, lab: Any
) -> None:
    launcher = page.locator(".jp-Launcher").get_by_text("Lepton: seen (any worker, cpu)")
    launcher.first.wait_for()
    book = Notebook.of(page, lab.root / "there.ipynb", CELLS, kernel="lepton-seen")
    book.run(0)
    book.wait_for(0, "on seen")
    book.run(1)
    book.wait_for(1, "begun")
    worker_processes(seen)[-1].kill()
    book.wait_for(1, "KernelDied: worker 0 of cluster 'seen' died (signal 9, killed)")
    book.photograph("kernel-died")
