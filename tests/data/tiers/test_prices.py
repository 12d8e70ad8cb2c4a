"""The user's file of tiers: what it may say, and what is said where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_jlab.data.tiers.prices import DEFAULTS, FILE, load_tiers, price_file
from lepton_jlab.errors import UsageError


def test_without_a_file_there_are_defaults(tmp_path):
    assert load_tiers().tiers == DEFAULTS
    assert price_file() == tmp_path / "config" / FILE


def test_what_the_file_says(say):
    say(
        'currency = "EUR"\nhalf_life_days = 30\n'
        '[cold]\nfolder = "/mnt/bucket"\ncodec = "zstd-19"\nminimum_days = 30\ncapacity = "2TB"\n'
    )
    tiers = load_tiers()
    assert (tiers.currency, tiers.half_life) == ("EUR", 30 * 86_400)
    cold = tiers["cold"]
    assert (cold.folder, cold.codec, cold.minimum_days) == (Path("/mnt/bucket"), "zstd-19", 30)
    assert cold.capacity == 2 * 10**12
    assert cold.storage == DEFAULTS["cold"].storage
    assert tiers["hot"] == DEFAULTS["hot"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hot = ", "cannot be read"),
        ("halflife_days = 3", "Did you mean 'half_life_days'"),
        ("[hot]\nstorrage = 1", r"'hot.storrage' is not known. Did you mean 'storage'"),
        ("[hot]\nstorage = -1", "hot.storage is -1; it must be a number, 0 or more"),
        ("[hot]\nread = true", "hot.read is True"),
        ("[hot]\nread = inf", "hot.read is inf"),
        ("half_life_days = 0", "more than 0"),
        ("doubt = 2", "from 0 to 1"),
        ('[cold]\ncodec = "zstd19"', "no codec 'zstd19'. Did you mean 'zstd-19'"),
        ('[cold]\ncodec = "delta-zstd"', "other tools do not read delta-zstd"),
        ('[cold]\nfolder = "ftp://host/x"', r"in s3://BUCKET/PREFIX or .* Mount others"),
        ('[cold]\nfolder = "s3://"', "in s3://BUCKET/PREFIX"),
        ('[cold]\nurl = "s3://bucket/x"', "'cold.url' is not known"),
        ('[cold]\nfolder = "slow"', "give the whole path"),
        ('[cold]\ncapacity = "much"', "is not a size"),
        ("[hot_disk]", "hot_disk has no size"),
        ('[hot_disk]\nsize = "1GB"\nfoldr = "/x"', "Did you mean 'folder'"),
        ('[hot_disk]\nsize = "1GB"\nfolder = "s3://bucket/x"', "give a folder on a disk"),
    ],
)
def test_what_is_wrong_is_named(say, tmp_path, text, message):
    say(text)
    with pytest.raises(UsageError, match=message) as found:
        load_tiers()
    assert str(tmp_path / "config" / FILE) in str(found.value)


def test_a_price_may_be_nothing(say):
    say("[hot]\nstorage = 0\nread = 0.0\n")
    assert load_tiers()["hot"].storage == 0
