"""Two ranks in two network namespaces, over TLS and a link of 10 Mbit/s and 40 ms."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conditions import wait_until
from links import Link, slow_link  # noqa: F401
from places import over_tls
from replicas.test_training import TRAIN

import lepton_jlab as lepton

pytestmark = [pytest.mark.integration, pytest.mark.fault]


@pytest.fixture(scope="module")
def seen_by_both() -> Iterator[Path]:
    """A folder that is not among temporary files."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def apart(
    slow_link: Link,  # noqa: F811
    seen_by_both: Path,
) -> Iterator[lepton.Cluster]:
    """A cluster with one worker here and one there, which share no temporary files."""
    sides = {"near": slow_link.near, "far": slow_link.far}
    with over_tls(slow_link, seen_by_both, sides, own_disk=True) as secured:
        cluster = lepton.start_cluster("apart", engine=secured.address, **secured.keys)
        lepton.use_cluster("apart")
        wait_until(lambda: len(cluster.info()["workers"]) == 2, 60, "both workers")
        yield cluster
        cluster.stop(force=True)


def test_weights_are_those_of_one_process(apart, digits, seen_by_both):
    there = lepton.open_dataset(shutil.copytree(digits.path, seen_by_both / "digits.zarr"))
    space = {"ds": there, "shards": 2, "cases": [("plain", "sgd", False)]}
    pair, alone = (
        lepton.submit(TRAIN, namespace=space, replicas=n, pull=["found"]).wait(300) for n in (2, 1)
    )
    assert (pair.state, alone.state) == ("done", "done"), pair.error or alone.error
    ranks = pair.to_dict()["replicas"]
    assert {rank["worker"] for rank in ranks} == {"near", "far"}
    assert len({rank["host"] for rank in ranks}) == 2
    weights, history, difference = pair.values["found"]["plain"]
    expected, expected_history, _ = alone.values["found"]["plain"]
    assert difference == 0.0  # on both ranks, to the last bit
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=3e-6)
    for name, values in history.items():
        np.testing.assert_allclose(values, expected_history[name], atol=3e-6, err_msg=name)


def test_a_killed_rank_is_noticed_and_the_run_goes_on(apart, seen_by_both):
    code = """
import os, signal
from pathlib import Path
import lepton_jlab as lepton

died, noticed = Path(folder, "died"), Path(folder, "noticed")
for step in range(20):
    if step == 10 and lepton.rank() == 1 and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        total = lepton.all_reduce(step, "sum")
    except lepton.LeptonError as error:
        noticed.write_text(str(error))
        raise
"""
    run = lepton.submit(code, namespace={"folder": str(seen_by_both)}, replicas=2, pull=["total"])
    assert run.wait(120).state == "done", run.error
    assert run.values["total"] == 38
    assert (seen_by_both / "noticed").read_text() == "Rank 1 of this run has gone."
    assert run.to_dict()["attempt"] == 2
    assert "rank 1 on worker" in run.output
    assert "killed by SIGKILL" in run.output
