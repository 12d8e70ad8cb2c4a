"""Runs that need several slots at once: who gets them, in which order, and who never will."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from conditions import wait_until
from held import HELD, hold

import lepton_jlab as lepton
from lepton_jlab.cluster.backend import WorkerFacts
from lepton_jlab.errors import ClusterError
from lepton_jlab.runs import Run
from lepton_jlab.runs.gangs import Gangs, capacity
from lepton_jlab.runs.journal import Entry
from lepton_jlab.runs.run import runs_of
from lepton_jlab.runs.slots import Lease

WORKERS = {
    address: WorkerFacts(address, address[-1], host, 1, 0)
    for address, host in (("w0", "a"), ("w1", "b"), ("w2", "b"), ("w3", "a"))
}


def entry(slots: int, spread: str = "workers") -> Entry:
    return Entry(1, {"slots": slots, "gang": {"spread": spread}}, 0, None, None, None)


def leases(*workers: str) -> list[Lease]:
    return [Lease(f"l{number}", worker) for number, worker in enumerate(workers)]


@pytest.mark.parametrize(
    ("slots", "spread", "free", "chosen"),
    [
        (1, "workers", ["w2", "w1"], ["w2"]),
        (2, "workers", ["w2"], []),
        (2, "workers", ["w2", "w2"], []),
        (3, "workers", ["w2", "w3", "w0"], ["w0", "w3", "w2"]),
        (2, "host", ["w0", "w2"], []),
        (2, "host", ["w0", "w2", "w1"], ["w1", "w2"]),
    ],
)
def test_the_head_starts_once_all_its_slots_are_free(slots, spread, free, chosen):
    found = Gangs().choose(entry(slots, spread), leases(*free), WORKERS)
    assert [lease.worker for lease in found] == chosen


def test_what_a_cluster_can_give_at_most():
    assert capacity({"slots": 9}, WORKERS.values()) == 4
    assert capacity({"slots": 9, "gang": {"spread": "host"}}, WORKERS.values()) == 2


def gang(cluster: lepton.Cluster, go: Path, slots: int, code: str = HELD) -> Run:
    """Submit a run that takes several slots of one machine for its one child."""
    options = dict.fromkeys(("timeout", "stall", "memory", "keep", "filename", "cwd", "affinity"))
    spec = {
        **options,
        "code": f"go = {str(go)!r}\n{code}",
        "payloads": [],
        "pull": [],
        "retries": 0,
        "slots": slots,
        "gang": {"spread": "host"},
    }
    submission = {"name": None, "sweep": False, "code": code, "options": spec, "brought": {}}
    answer = cluster.channel.call("submit", submission=submission, params=[{}], spec=spec)
    return runs_of(answer["runs"])[0]


@pytest.fixture
def go(tmp_path):
    file = tmp_path / "go"
    yield file
    file.touch()


@pytest.mark.integration
@pytest.mark.usefixtures("light", "cluster")
class TestOnACluster:
    def test_those_behind_a_gang_wait_until_it_has_all_its_slots(self, cluster, go, tmp_path):
        first_go = tmp_path / "first"
        first = hold(first_go)
        pair = gang(cluster, go, 2)
        behind = lepton.submit("1", namespace={})
        beside = gang(cluster, go, 2)
        wait_until(lambda: pair.place == 1, about="the gang at the head")
        assert (pair.state, behind.state) == ("queued", "queued")
        first_go.touch()
        wait_until(lambda: "here" in pair.output, about="the gang executing")
        # The record is written a moment after the text.
        wait_until(lambda: pair.devices == ["cpu", "cpu"], about="the devices of both")
        assert {worker["run"] for worker in cluster.info()["workers"]} == {pair.id}
        assert behind.state == "queued"
        go.touch()
        assert [run.wait(30).state for run in (first, pair, behind, beside)] == ["done"] * 4
        assert first.ended <= pair.started
        assert behind.started >= pair.ended

    def test_more_slots_than_there_are_is_refused_at_once(self, cluster, go):
        with pytest.raises(ClusterError, match=r"--gpus 3: cluster 'local' has 2 workers on one"):
            gang(cluster, go, 3)

    def test_a_gang_that_loses_a_worker_gives_all_its_slots_back(self, cluster, go):
        run = gang(cluster, go, 2)
        wait_until(lambda: "here" in run.output, about="the gang executing")
        with cluster.client() as client:
            pids = client.run(os.getpid)
            names = {a: w["name"] for a, w in client.scheduler_info()["workers"].items()}
        other = next(pid for a, pid in pids.items() if str(names[a]) != run.worker)
        os.kill(other, signal.SIGKILL)
        run.wait(30)
        assert run.error["kind"] == "worker-lost"
        assert (
            gang(cluster, go, 2, "1").wait(60).state == "done"
        )  # waits for the one that comes instead
