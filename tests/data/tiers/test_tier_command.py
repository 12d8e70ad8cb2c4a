"""%lepton data tier: tables, moves here and on a cluster, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from data.tiers.looking import VALUES, names

import lepton_jlab as lepton
from lepton_jlab.commands import Context, perform
from lepton_jlab.completion import complete
from lepton_jlab.data.tiers import accesses, places
from lepton_jlab.errors import UsageError
from lepton_jlab.parsing import parse, split


def do(line: str, **how):
    return perform(parse(split(f"data tier {line}")), Context(**how))


def test_nothing_known(home):
    assert do("").text.startswith("No dataset is known here yet")
    assert json.loads(do("").json())["datasets"] == []
    assert "jupyter lepton data tier PATH" in do("", place="terminal").text


def test_to_look_changes_nothing(dataset):
    for line in (f"{dataset}", f"{dataset} --policy cold --importance 5 --dry-run"):
        shown = do(line)
        assert "a.zarr" in shown.text
        assert "a.zarr" in shown.html
        assert "prices" in json.loads(shown.json())
    assert accesses.all_known() == []
    assert places.tier_of(dataset) == "warm"


def test_a_dry_run_shows_bytes_and_money(dataset):
    shown = do(f"{dataset} --policy cold --dry-run")
    [row] = json.loads(shown.json())["datasets"]
    assert row["saved_bytes"] > 0
    assert row["saved_per_month"] > 0
    header, line, total = shown.text.splitlines()[:3]
    assert "saves a month" in header
    assert line.split()[:6] == ["a.zarr", "1", "0.0", "0.0", "warm", "cold"]
    assert "the moves save" in total


def test_move_and_undo_here(dataset):
    said: list[str] = []
    moved = do(f"{dataset} --policy cold --importance 2", progress=said.append)
    assert "is cold now, warm before" in moved.text
    assert any(line.startswith("a.zarr: writing") for line in said)
    assert json.loads(moved.json())[0]["tier"] == "cold"
    assert (accesses.known(str(dataset)).policy, places.tier_of(dataset)) == ("cold", "cold")
    assert "saves" not in do("").text
    do(f"{dataset} --undo")
    assert places.tier_of(dataset) == "warm"
    assert accesses.known(str(dataset)).policy == "warm"  # or auto would move it again
    assert accesses.known(str(dataset)).importance == 2


def test_keep_makes_undo_immediate(dataset, home):
    do(f"{dataset} --policy cold --keep")
    assert names(home) == [".a.zarr.before", "a.zarr"]
    do(f"{dataset} --undo")
    assert names(home) == ["a.zarr"]


def test_auto_moves_all_that_it_would(make, say):
    say("[cold]\nstorage = 0.001\nwrite = 0\n[hot]\nread = 0\n[warm]\nread = 0.05\n")
    idle, busy, pinned = make(), make("b.zarr"), make("c.zarr")
    accesses.keep(str(idle), importance=0)
    accesses.note(str(busy), 50)
    accesses.keep(str(pinned), policy="warm")
    rows = {row["name"]: row for row in json.loads(do("").json())["datasets"]}
    assert {name: row["to"] for name, row in rows.items()} == {
        "a.zarr": "cold",
        "b.zarr": "hot",
        "c.zarr": "warm",
    }
    assert "Move as auto says" in do("").text
    do("--policy auto --dry-run")
    assert places.tier_of(idle) == "warm"
    do("--policy auto")
    assert [places.tier_of(path) for path in (idle, busy, pinned)] == ["cold", "hot", "warm"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--importance 3", "needs the PATH"),
        ("--undo", "needs the PATH"),
        ("--policy hot", "needs the PATH of one dataset; for all known datasets"),
        ("PATH --undo --policy hot", "goes with nothing else"),
        ("PATH --here --cluster c", "give either --here or --cluster c"),
        ("PATH --importance 6", "--importance"),
        ("PATH --policy tepid", "--policy"),
    ],
)
def test_what_is_refused(dataset, line, message):
    with pytest.raises(UsageError, match=message):
        do(line.replace("PATH", str(dataset)))
    assert accesses.all_known() == []


def test_completion(dataset):
    assert complete(["data"], "ti") == ["tier"]
    assert complete(["data", "tier", "a.zarr", "--policy"], "") == ["auto", "hot", "warm", "cold"]
    assert complete(["data", "tier", "a.zarr", "--importance"], "") == list("012345")


@pytest.mark.integration
def test_on_a_cluster(dataset, light, no_records):
    cluster = lepton.start_cluster(workers=1, threads=1, idle_timeout="10 min")
    try:
        result = do(f"{dataset} --policy cold --wait")
        assert result.waits
        [run] = result.work
        run.wait(60)
        assert run.state == "done", run.output
        assert run.values["moved"][0]["tier"] == "cold"
        assert run.metrics["moved"] == 1.0
        assert "is cold now, warm before" in run.output
        assert places.tier_of(dataset) == "cold"
        assert np.array_equal(lepton.open_dataset(dataset).x[:], VALUES)
        assert "is warm now" in do(f"{dataset} --undo --here").text
    finally:
        cluster.stop(force=True)
