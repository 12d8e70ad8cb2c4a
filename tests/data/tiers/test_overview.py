"""What is told of tiers: bytes, money, what auto would do; and how near the estimates are."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from lepton_jlab.data.tiers import accesses
from lepton_jlab.data.tiers.estimate import sizes
from lepton_jlab.data.tiers.guarding import disk_bytes
from lepton_jlab.data.tiers.moving import move
from lepton_jlab.data.tiers.overview import figures, overview, totals
from lepton_jlab.data.tiers.prices import load_tiers


def test_nothing_is_known_at_first(dataset):
    assert overview() == []
    assert totals([]) == {}


def test_a_row_says_what_a_move_is_worth(dataset, say):
    say(
        'currency = "EUR"\n[hot]\nstorage = 9\n[warm]\nstorage = 1.0\n'
        "[cold]\nstorage = 0.25\nread = 0.0\n"
    )
    accesses.note(str(dataset))
    [row] = overview()
    size = disk_bytes(dataset)
    assert (row["tier"], row["to"], row["policy"], row["currency"]) == (
        "warm", "cold", "auto", "EUR",
    )  # fmt: skip
    assert row["bytes"] == size
    assert row["saved_bytes"] == size - row["to_bytes"]
    read = load_tiers()["warm"].read * 30  # one access in the first day: one a day
    assert row["money_per_month"] == pytest.approx(size / 1e9 * (1.0 + read), rel=0.02)
    cold = row["to_bytes"] / 1e9 * 0.25
    assert row["saved_per_month"] == pytest.approx(row["money_per_month"] - cold)
    assert totals([row]) == {
        "warm": {"datasets": 1, "bytes": size, "money_per_month": row["money_per_month"]}
    }


def test_importance_weighs_reading(dataset, say):
    say(
        "[hot]\nstorage = 9\n[warm]\nstorage = 0.30\nread = 0.0\n"
        "[cold]\nstorage = 0.1\nread = 0.005\nwrite = 0\n"
    )
    accesses.note(str(dataset))
    assert overview()[0]["to"] == "cold"
    assert overview({str(dataset): {"importance": 5}})[0]["to"] == "warm"
    assert overview()[0]["importance"] == 1  # only asked


@pytest.mark.parametrize("tier", ["hot", "cold"])
def test_the_estimate_is_near_what_a_move_gives(make, tier):
    for options in ({}, {"shard": 2000}):
        dataset = make(f"{tier}{len(options)}.zarr", **options)
        guessed, now = sizes(dataset, load_tiers()), disk_bytes(dataset / "x")
        move(dataset, tier)  # the documents grow by their history, which is not guessed
        grown = disk_bytes(dataset / "x") - now
        assert guessed[tier] - guessed["warm"] == pytest.approx(grown, abs=0.03 * now)


def test_an_estimate_is_made_anew_when_the_dataset_changes(dataset):
    first = sizes(dataset, load_tiers())["hot"]
    zarr.open_group(str(dataset), mode="r+")["x"][:] = np.zeros((4000, 16))
    assert sizes(dataset, load_tiers())["hot"] < first / 2


def test_what_is_gone_is_not_listed_and_urls_have_no_tier(dataset, home):
    accesses.note(str(home / "gone.zarr"))
    accesses.keep("s3://bucket/far.zarr", importance=5)
    accesses.note("s3://bucket/far.zarr")
    [row] = overview()
    assert (row["tier"], row["to"], row["bytes"], row["score"]) == (
        "remote", None, None, pytest.approx(5.0, abs=1e-3),
    )  # fmt: skip


def test_what_cannot_change_its_codec_stays(home):
    path = home / "old.zarr"
    zarr.create_group(str(path), zarr_format=2).create_array("x", shape=(4,), dtype="i4")
    accesses.keep(str(path), policy="hot")
    [row] = overview()
    assert (row["tier"], row["to"]) == ("warm", "warm")


def test_figures_for_data_info(dataset):
    accesses.note(str(dataset))
    told = figures(str(dataset))
    assert (told["tier"], told["importance"], told["tier_bytes"]) == (
        "warm", 1, {"warm": disk_bytes(dataset)},
    )  # fmt: skip
    assert told["money_per_month"] > 0
    assert figures("s3://bucket/far.zarr")["tier"] == "remote"
