"""Moves that are killed, that find the disk full, and that somebody reads through."""

from __future__ import annotations

import random
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import zarr
from conditions import wait_until
from data.tiers.looking import VALUES, names, snapshot

from lepton_jlab.data import open_dataset
from lepton_jlab.data.tiers import moving, places
from lepton_jlab.data.tiers.moving import move, undo
from lepton_jlab.errors import DataError

pytestmark = pytest.mark.fault

STAGES = [
    "writing",
    "comparing",
    "waiting for the disk",
    "replacing",
    "between the names",
    "removing what it replaces",
]


@pytest.mark.parametrize("tier", ["hot", "cold"])
@pytest.mark.parametrize("where", STAGES)
def test_killed_it_is_the_old_or_the_new_and_the_next_clears_up(
    dataset, home, slow, killed, where, tier
):
    before = snapshot(dataset)
    killed(dataset, tier, where)
    if where != "between the names":  # there a reader finds nothing, until the next command
        after = snapshot(dataset)
        history = after["/"].pop("history")
        assert len(history) == (2 if where.startswith("removing") else 1)
        assert after == {**before, "/": {k: v for k, v in before["/"].items() if k != "history"}}
    said: list[str] = []
    move(dataset, tier, progress=lambda _done, _total, text: said.append(text))
    assert places.tier_of(dataset) == tier
    assert ("going on where a move was killed" in said) == (where in STAGES[:3])
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    assert len(open_dataset(dataset).attrs["lepton"]["history"]) == 2
    assert names(home) == ["a.zarr"]
    assert len(names(slow)) == (tier == "cold")


@pytest.mark.parametrize("where", STAGES)
def test_killed_on_the_way_to_one_tier_another_begins_anew(dataset, home, slow, killed, where):
    move(dataset, "cold")
    killed(dataset, "hot", where, keep=True)
    move(dataset, "warm")
    assert np.array_equal(open_dataset(dataset).x[:], VALUES)
    assert names(home) == ["a.zarr"]
    assert names(slow) == []


# ---- a full disk

FULL = """
import resource, sys
from lepton_jlab.data import writing
from lepton_jlab.data.tiers.moving import move
from lepton_jlab.errors import DataError
writing.BLOCK_BYTES = 6400
if sys.argv[3]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    move(sys.argv[1], sys.argv[2])
except DataError as error:
    print(error)
"""


def _may_mount() -> bool:
    command = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"]
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )


def fill(dataset: Path, limit: str, *before: str) -> str:
    command = [*before, sys.executable, "-c", FULL, str(dataset), "cold", limit]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not _may_mount(), reason="needs the right to mount")
def test_a_full_disk_leaves_the_old(dataset, home, slow):
    before = snapshot(dataset)
    slow.mkdir()
    mount = f'mount -t tmpfs -o size=40k none "{slow}" && "$@" && find "{slow}" -mindepth 1'
    said = fill(dataset, "", "unshare", "-m", "sh", "-c", mount, "sh")
    assert said.strip() == (
        f"There is no room in {slow} for the cold copy of a.zarr. Nothing was changed; make room, "
        "or give the tier another folder."
    )
    assert snapshot(dataset) == before
    assert names(home) == ["a.zarr"]


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_limit_on_files_leaves_the_old(make, home, slow, say, elsewhere):
    if not elsewhere:
        say("")
    dataset = make(shard=2000)
    before = snapshot(dataset)
    assert "There is no room in" in fill(dataset, "9000")
    assert snapshot(dataset) == before
    assert names(home) == ["a.zarr"]
    assert names(slow) == []


def test_a_folder_that_may_not_be_written(dataset, say, tmp_path):
    (tmp_path / "file").write_text("in the way")
    say(f'[cold]\nfolder = "{tmp_path}/file"\n')
    with pytest.raises(DataError, match=r"cannot be moved: .*Nothing was changed"):
        move(dataset, "cold")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


# ---- readers


@pytest.mark.parametrize(
    "options", [{}, {"shard": 500}, {"codec": "none"}, {"codec": "zstd"}], ids=str
)
def test_who_has_it_open_never_reads_wrong_values(make, slow, options):
    dataset = make(**options)
    old, old_zarr = open_dataset(dataset), zarr.open_group(str(dataset), mode="r")
    batches = old.batches(100, shuffle=True, memory="1MiB")
    stop, wrong, rounds, refused = threading.Event(), [], [0], [0]

    def read() -> None:
        rng = random.Random(1)
        while not stop.is_set():
            start = rng.randrange(4000)
            readers = [
                lambda start=start: open_dataset(dataset).x[start : start + 9],
                lambda start=start: old.x[start : start + 9],
            ]
            if "shard" not in options:  # there zarr takes a range that is not there for zeros
                readers.append(lambda start=start: old_zarr["x"][start : start + 9])
            for values in readers:
                try:
                    got = values()
                except Exception:  # an error is what a reader may get, or the right values
                    refused[0] += 1
                else:
                    if not np.array_equal(got, VALUES[start : start + 9]):
                        wrong.append((start, got))
            rounds[0] += 1

    def epochs() -> None:
        want = np.sort(VALUES.view("V64").ravel())
        while not stop.is_set():
            try:
                got = np.concatenate(list(batches.numpy()))
            except DataError:
                refused[0] += 1
            else:
                if not np.array_equal(np.sort(np.ascontiguousarray(got).view("V64").ravel()), want):
                    wrong.append((-1, got))
            rounds[0] += 1

    threads = [threading.Thread(target=target) for target in (read, epochs)]
    for thread in threads:
        thread.start()
    try:
        for number in range(12):
            seen = rounds[0]
            if number % 4 == 3:
                undo(dataset)
            else:
                move(dataset, ("cold", "hot", "warm")[number % 3], keep=number % 2 == 0)
            wait_until(lambda seen=seen: rounds[0] > seen + 1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    if options == {}:  # Blosc's frames: the old metadata read the new chunks
        assert refused == [0]


def test_a_move_that_cannot_clear_up_says_so(dataset, monkeypatch):
    def refuse(_own: Path, found: Path) -> None:
        if found == places.moving(dataset):
            raise PermissionError(13, "Permission denied", str(found))

    monkeypatch.setattr(moving, "discard", refuse)
    with pytest.raises(DataError, match=r"is cold now, but what it was before cannot be removed"):
        move(dataset, "cold")
    assert places.tier_of(dataset) == "cold"
