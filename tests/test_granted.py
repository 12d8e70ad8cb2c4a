"""What is granted counts, not what the host has: for clusters, streams, panels and figures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lepton_jlab as lepton
from lepton_jlab import cgroup
from lepton_jlab.cluster.engines.local import split
from lepton_jlab.cluster.plan import Plan
from lepton_jlab.errors import ClusterError
from lepton_jlab.granted import Granted, granted
from lepton_jlab.panel.facts.clusters import Clusters
from lepton_jlab.resources.machine import Machine

GIB = 1 << 30
BINDER = Granted(cores=1.0, memory=2 * GIB)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing is said by the environment, and no cgroup limits anything."""
    for name in ("MEM_LIMIT", "CPU_LIMIT", "BINDER_LAUNCH_HOST", "BINDER_REPO_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cgroup, "_folders", lambda _: ())
    return monkeypatch


def test_without_limits_it_is_the_machine(bare: pytest.MonkeyPatch) -> None:
    import psutil

    share = granted()
    assert share.cores == len(os.sched_getaffinity(0))
    assert share.memory == psutil.virtual_memory().total
    assert not share.on_binder


@pytest.mark.parametrize("version", [1, 2])
def test_the_least_of_hub_and_cgroup_counts(
    bare: pytest.MonkeyPatch, tmp_path: Path, version: int
) -> None:
    inner = tmp_path / "user" / "lab"
    inner.mkdir(parents=True)
    files = {
        1: {
            "user/memory.limit_in_bytes": "2000000000",
            "user/lab/memory.limit_in_bytes": "9223372036854771712",
            "user/lab/memory.usage_in_bytes": "700000000",
            "user/lab/cpu.cfs_quota_us": "50000",
            "user/lab/cpu.cfs_period_us": "100000",
            "user/cpu.cfs_quota_us": "-1",
        },
        2: {
            "user/memory.max": "2000000000",
            "user/lab/memory.max": "max",
            "user/lab/memory.current": "700000000",
            "user/lab/cpu.max": "50000 100000",
            "user/cpu.max": "max 100000",
            "user/lab/cpu.stat": "usage_usec 3000000\nuser_usec 1",
        },
    }
    for name, content in files[version].items():
        (tmp_path / name).write_text(content + "\n")
    (inner / "memory.stat").write_text("anon 1\ninactive_file 200000000\n")
    bare.setattr(cgroup, "_folders", lambda _: (inner, inner.parent, tmp_path))

    assert granted() == Granted(0.5, 2_000_000_000)
    assert cgroup.memory_used() == 500_000_000
    assert Machine().read()["memory"] == [500_000_000, 2_000_000_000]
    assert cgroup.spent() == {1: None, 2: 3.0}[version]
    bare.setenv("MEM_LIMIT", "1000000000")
    bare.setenv("CPU_LIMIT", "0.25")
    assert granted() == Granted(0.25, 1_000_000_000)
    bare.setenv("CPU_LIMIT", "64")
    bare.setenv("MEM_LIMIT", "unlimited")
    assert granted() == Granted(0.5, 2_000_000_000)


def test_a_binder_is_told_by_its_environment(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("BINDER_LAUNCH_HOST", "https://mybinder.org/")
    assert granted().on_binder
    assert granted().most_workers == 2


def test_the_sentence_says_what_there_is_and_what_follows() -> None:
    assert BINDER.sentence == (
        "1 core and 2 GiB are granted here: a cluster has 2 workers at most."
    )
    assert Granted(1.5, GIB * 3 // 2).sentence.startswith("1.5 cores and 1.5 GiB are granted here")
    assert Granted(1.0, 16 * GIB).sentence is None


def plan(**more: object) -> Plan:
    given = {"workers": None, "threads": None, "memory": None, "idle_timeout": 60.0, **more}
    return Plan("local", "local", **given)


@pytest.mark.parametrize(
    ("asked", "share", "given"),
    [
        ({}, BINDER, (1, 1, 2 * GIB)),
        ({"workers": 2}, BINDER, (2, 1, GIB)),
        ({"workers": 2, "memory": 5}, BINDER, (2, 1, 5)),
        ({"adapt": (0, 2)}, BINDER, (0, 1, GIB)),
        ({}, Granted(4.0, 2 * GIB), (2, 2, GIB)),
        ({}, Granted(4.0, 8 * GIB), (4, 1, 2 * GIB)),
        ({"threads": 2}, Granted(4.0, 8 * GIB), (2, 2, 4 * GIB)),
        ({"workers": 1, "threads": 1}, Granted(4.0, 8 * GIB), (1, 1, 2 * GIB)),
        ({}, Granted(0.5, 8 * GIB), (1, 1, 8 * GIB)),
    ],
)
def test_a_cluster_shares_out_what_is_granted(
    asked: dict[str, object], share: Granted, given: tuple[int, int, int]
) -> None:
    assert split(plan(**asked), share) == given


@pytest.mark.parametrize("asked", [{"workers": 3}, {"adapt": (0, 8)}])
def test_more_workers_than_there_is_room_for_are_refused(asked: dict[str, object]) -> None:
    with pytest.raises(ClusterError, match=r"1 core and 2 GiB are granted here.*Ask for 2"):
        split(plan(**asked), BINDER)


@pytest.mark.integration
@pytest.mark.usefixtures("light")
def test_a_cluster_on_a_binder_keeps_to_its_share(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("MEM_LIMIT", str(2 * GIB))
    bare.setenv("CPU_LIMIT", "1.0")
    cluster = lepton.start_cluster("bound")
    try:
        (worker,) = cluster.info()["workers"]
        assert (worker["threads"], worker["memory"]) == (1, 2 * GIB)
        for asked in (3, "0..3"):
            with pytest.raises(ClusterError, match="3 workers are too many"):
                cluster.scale(asked)
        assert len(cluster.scale(2)["workers"]) == 2
        assert "1 core and 2 GiB are granted here" in _panel()
    finally:
        cluster.stop(force=True)
    bare.undo()
    assert "granted" not in _panel() or granted().sentence


def _panel() -> str:
    facts = Clusters()
    facts.read()
    assert (facts.notes == []) == (granted().sentence is None)
    return facts.text()


def test_streams_have_no_more_threads_than_cores_are_granted() -> None:
    code = "from lepton_jlab.data.stream.memory import cores; print(cores())"
    environment = {**os.environ, "CPU_LIMIT": "1.0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.stdout == b"1\n", done.stderr
