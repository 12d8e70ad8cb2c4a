"""Counting reads: decayed, shared by processes, never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lepton_jlab.config import data_folder
from lepton_jlab.data.tiers import accesses, places
from lepton_jlab.data.tiers.prices import load_tiers
from lepton_jlab.errors import DataError

HALF_LIFE = load_tiers().half_life


def test_counts_decay_and_add_up(dataset):
    accesses.note(str(dataset), now=0.0)
    accesses.note(str(dataset), 0.5, now=HALF_LIFE)
    known = accesses.known(str(dataset), now=2 * HALF_LIFE)
    assert known.count == pytest.approx(0.5)
    assert (known.total, known.last, known.known_for) == (1.5, HALF_LIFE, 2 * HALF_LIFE)
    accesses.keep(str(dataset), importance=4)
    assert accesses.known(str(dataset), now=2 * HALF_LIFE).score == pytest.approx(2.0)


def test_nothing_read_is_nothing_counted(dataset):
    accesses.note(str(dataset), 0.0)
    assert accesses.all_known() == []
    assert accesses.known(str(dataset)).count == 0


def test_a_clock_that_was_set_back(dataset):
    accesses.note(str(dataset), now=1000.0)
    accesses.note(str(dataset), now=10.0)
    assert accesses.known(str(dataset), now=1000.0).count == pytest.approx(2.0)


def test_one_dataset_has_one_name(dataset, home, monkeypatch):
    (home / "link").symlink_to(home)
    (home / "mine.zarr").symlink_to(dataset)
    monkeypatch.chdir(home)
    names = ("a.zarr", "./a.zarr/", home / "link" / "a.zarr", "mine.zarr", "a.zarr/x", dataset)
    assert {places.identity(name) for name in names} == {str(dataset)}
    assert places.identity("s3://bucket/a.zarr/") == "s3://bucket/a.zarr"


def test_importance_and_policy_stay_until_they_are_changed(dataset):
    accesses.keep(str(dataset), importance=0)
    accesses.keep(str(dataset), policy="cold")
    accesses.note(str(dataset))
    known = accesses.known(str(dataset))
    assert (known.importance, known.policy, known.total) == (0, "cold", 1.0)
    assert accesses.importance_of(str(dataset)) == 0
    assert accesses.importance_of("https://never.heard/of.zarr") == 1


COUNTING = """
import sys
from lepton_jlab.data.tiers import accesses
for _ in range(100):
    accesses.note(sys.argv[1], 0.25, now=5.0)
"""


@pytest.mark.integration
def test_processes_that_count_at_once_lose_nothing(dataset):
    command = [sys.executable, "-c", COUNTING, str(dataset)]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert accesses.known(str(dataset), now=5.0).total == 100.0


def test_a_fork_counts_by_a_connection_of_its_own(dataset):
    accesses.note(str(dataset), now=5.0)
    child = os.fork()
    if not child:
        accesses.note(str(dataset), now=5.0)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    accesses.note(str(dataset), now=5.0)
    assert accesses.known(str(dataset), now=5.0).total == 3.0


def test_counting_never_fails_and_commands_say_why(dataset):
    Path(data_folder() / "datasets.sqlite").write_bytes(b"no database" * 100)
    accesses.note(str(dataset))
    assert accesses.importance_of(str(dataset)) == 1
    with pytest.raises(DataError, match=r"datasets.sqlite cannot be used: .*remove it"):
        accesses.all_known()
